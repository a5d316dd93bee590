"""Octo checkpoints on disk: found, read, checked, written."""
