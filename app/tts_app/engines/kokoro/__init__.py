"""Kokoro-82M: speech from phonemes, by onnxruntime."""
