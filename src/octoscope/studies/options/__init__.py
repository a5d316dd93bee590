"""What can be typed, command by command: importable in a blink, since nothing here runs a policy or reads a run."""
