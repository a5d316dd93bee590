"""Outside text made harmless where it goes: one function for each medium, each tied to what that medium takes for more than text."""
