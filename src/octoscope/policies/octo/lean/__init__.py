"""The same forward with only the work that is read."""
