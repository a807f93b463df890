"""Speech and text engines, one per model family, behind the Protocols of `base` and `text`."""
