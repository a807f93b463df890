"""Kokoro-82M and its kin: speech from phonemes, by onnxruntime or by torch."""
