"""Prometheus rules of the service's objectives (SLOs): recording rules, and alerts by burn rate."""
