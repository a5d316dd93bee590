"""What the embedded policy can do, and whether its attention means something: the figures of its model card."""
