"""What the `cnn` commands do: layers, filters, activations, features, class activation maps, methods compared."""
