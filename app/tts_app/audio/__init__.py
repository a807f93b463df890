"""Audio: joins spoken segments, sets tempo and loudness, encodes and decodes. Mono float32 throughout."""
