"""What ``streamparse.version`` has."""

__version__ = "5.0.1"
VERSION = (5, 0, 1)
