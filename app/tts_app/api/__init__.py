"""The REST API: FastAPI routers, schemas and errors; no model code."""
