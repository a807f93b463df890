"""F5-TTS: flow matching that continues a clip. Habibi (Arabic) and SILMA TTS are checkpoints of it."""
