"""Urdu of ur-PK."""
