"""Convolutional networks: what a filter looks for, and what it sees in a picture."""
