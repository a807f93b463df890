"""The operator: models in, running RayServices out, and the truth about them in their statuses."""
