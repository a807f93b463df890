"""Reads all facts of a service or TTSJob, applies what differs and writes each status once."""
