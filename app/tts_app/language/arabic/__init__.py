"""Arabic: standard (ar-SA), Egyptian (ar-EG) and Emirati (ar-AE)."""
