"""Hugging Face transformers: text by any causal language model."""
