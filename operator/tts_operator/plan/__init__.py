"""Pure plans: what was read of a service or a TTSJob in, what is to be done as data out. No I/O."""
