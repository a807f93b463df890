"""Where an F5 checkpoint keeps its files."""

VOCABULARY = "vocab.txt"
"""The characters that the checkpoint reads, one a line."""
VOCODER = "vocos/model.safetensors"
"""Weights of Vocos, which makes sound of its mel spectrograms."""
