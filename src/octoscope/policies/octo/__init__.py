"""The Octo policy in Flax linen, loaded from official checkpoints."""
