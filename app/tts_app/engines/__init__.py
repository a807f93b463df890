"""Speech engines: one module a model family, behind the Protocol of `base`, found by `registry`."""
