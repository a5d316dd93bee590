"""The token layout: one truth for the model, its mask and the maps."""
