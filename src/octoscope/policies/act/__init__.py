"""ACT (Action Chunking with Transformers) as LeRobot trains it, in JAX from config.json and model.safetensors alone."""
