"""What a person at a desk asks of a playground or a cluster: figures, conditions, support bundles."""
