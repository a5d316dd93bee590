"""Networks to look into: layers by name, activations, and the way back to the picture."""
