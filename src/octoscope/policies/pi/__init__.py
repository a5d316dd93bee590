"""pi0 and pi0.5 as LeRobot trains them, in JAX from config.json, model.safetensors and a tokenizer.json alone."""
