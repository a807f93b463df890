"""Metrics and JSON logs."""
