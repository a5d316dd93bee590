"""What a run keeps of Octo, step by step."""
