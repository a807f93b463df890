"""vLLM: text on GPUs."""
