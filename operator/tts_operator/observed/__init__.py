"""Pure readers: children in, conditions out. No I/O."""
