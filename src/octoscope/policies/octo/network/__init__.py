"""Octo's network in Flax, with the names that its checkpoints have."""
