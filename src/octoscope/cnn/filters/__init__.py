"""What a filter looks for, as a picture that is made to please it."""
