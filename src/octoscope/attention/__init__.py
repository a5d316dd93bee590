"""Reading attention out of runs, in NumPy."""
