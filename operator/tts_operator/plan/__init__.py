"""Pure plans: facts of a service or a TTSJob in, what to do as data out. No I/O."""
