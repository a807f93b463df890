"""Reads everything of a service, compares, applies what differs and writes statuses once."""
