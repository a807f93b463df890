"""VoxCPM2: a language model and diffusion, piece by piece; voices by clip or description, 48 kHz."""
