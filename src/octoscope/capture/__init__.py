"""Watching the policy run: a whole episode into a run."""
