"""Pure builders: resources in, manifests out. No I/O, and the same bytes for the same input."""
