"""Writes the dashboards of Grafana: ours from `boards`, and Ray's own from the package of Ray."""
