"""What makes actions of a readout."""
