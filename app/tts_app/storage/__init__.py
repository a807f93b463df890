"""Where speeches are kept: audio files (fsspec) and metadata (SQLAlchemy)."""
