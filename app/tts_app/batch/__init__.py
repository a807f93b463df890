"""Batches: posts times avatars, rendered into files and never lost; decision 9 has the design."""
