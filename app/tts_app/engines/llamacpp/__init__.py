"""llama.cpp: text from GGUF files."""
