"""Where speeches and batches are kept: audio files (fsspec) and metadata (SQLAlchemy)."""
