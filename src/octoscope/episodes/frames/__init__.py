"""The frames of a camera, decoded when they are asked for."""
