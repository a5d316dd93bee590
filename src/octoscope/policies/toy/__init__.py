"""A policy in NumPy that provably reads one patch and one word: for tests, and as the worked example of a policy."""
