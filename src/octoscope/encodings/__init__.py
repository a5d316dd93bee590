"""What a run's encodings tell: how words change through the layers, and what FiLM does with them."""
