"""Diffusion Policy of LeRobot: pictures become key points, and a U-Net over time turns noise into actions; it has no attention."""
