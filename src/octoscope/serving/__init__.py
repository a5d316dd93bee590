"""The policy in a control loop: one observation in, one action out, and what it looked at if asked."""
