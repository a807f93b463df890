"""Voices that are cloned from a recording: how it is decoded, checked, encrypted and handed to engines."""
