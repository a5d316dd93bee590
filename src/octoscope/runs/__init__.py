"""The door: a run on disk, written by the JAX wing and read without it."""
