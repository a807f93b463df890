"""VITS by Hugging Face transformers: any language that has a checkpoint."""
