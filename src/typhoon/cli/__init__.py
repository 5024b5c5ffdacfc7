"""The command line, ``typhoon``: one small file for each group of verbs."""

from typhoon.cli._app import main

__all__ = ["main"]
