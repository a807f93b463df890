"""Tests each speech engine against its real package, in an environment of its own."""
