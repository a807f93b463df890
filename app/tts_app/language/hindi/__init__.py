"""Hindi of hi-IN."""
