"""Any locale without a front-end of its own, read by espeak-ng."""
