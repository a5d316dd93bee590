"""Findings: stored results of changing or scoring something, each a frozen value that is written once and read by whoever draws."""
