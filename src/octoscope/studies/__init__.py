"""What a command does, as one function."""
