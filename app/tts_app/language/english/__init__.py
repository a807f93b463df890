"""English of en-US, en-GB and en-AU."""
