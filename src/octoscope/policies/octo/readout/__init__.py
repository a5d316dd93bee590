"""The current readout alone, over what one forward left behind."""
