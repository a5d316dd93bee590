"""How the embedded policy was trained: its shape, its losses, its recipe, its state between sittings."""
