"""What ``pystorm.exceptions`` has."""

from __future__ import annotations


class StormWentAwayError(Exception):
    """Never raised here: there is no pipe that could break."""

    def __init__(self) -> None:
        super().__init__("the connection to Storm has ended")
