"""Arrays into images, sheets and films, with one colour scale."""
