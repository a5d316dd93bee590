"""A policy's own image encoder: its facts, its channels, and what its tokens tell."""
