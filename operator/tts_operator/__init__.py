"""The operator: turns models into running RayServices, and reports their state in their statuses."""
