"""Episodes come in: robot recordings read from disk, one Episode each."""
