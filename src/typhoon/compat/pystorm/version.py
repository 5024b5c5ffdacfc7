"""What ``pystorm.version`` has."""

__version__ = "3.1.4"
VERSION = (3, 1, 4)
