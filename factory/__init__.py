"""What made the embedded policies, episodes and networks: not in the wheel, run from the repository."""
