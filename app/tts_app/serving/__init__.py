"""Ray Serve: the pure config builder, the voice deployment, and the gateway's side of it."""
