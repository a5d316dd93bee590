"""Any PyTorch module watched while it acts: its attention is seen, and not a bit of its output changes; extra `[lerobot]` or `[torch]`."""
