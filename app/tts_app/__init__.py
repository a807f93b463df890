"""TextToSpeech Playground: the served app, its command line and the types that the operator shares."""

__version__ = "0.1.0"
