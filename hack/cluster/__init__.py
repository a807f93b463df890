"""A real Kubernetes on one machine, built from Go modules: no image registry and no Docker are needed."""
