"""OmniVoice: a language model fills in the codes of a sound step by step; voices by clip or description."""
