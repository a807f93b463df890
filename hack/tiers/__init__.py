"""The tiers of the tests: what each runs, in lanes side by side, and how long it takes."""
