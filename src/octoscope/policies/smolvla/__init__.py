"""SmolVLA as LeRobot trains it, in JAX from config.json, model.safetensors and a tokenizer.json alone."""
