"""Spanish of es-ES."""
