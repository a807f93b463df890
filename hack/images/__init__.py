"""The project's container images: what goes into each, and their builders."""
