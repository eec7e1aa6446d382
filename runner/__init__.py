"""mailproof: replays conversations with mail servers from YAML scenarios and judges the replies."""

__version__ = "0.1.0"
