"""Chatterbox Multilingual: a language model of speech tokens, in the voice of a clip, with a watermark."""
