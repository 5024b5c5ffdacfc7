"""Ready-made components: where data often comes from, and where it often goes."""

from typhoon.components._files import FileLines
from typhoon.components._json import JsonLines
from typhoon.components._print import Print
from typhoon.components._puts import Puts
from typhoon.components._queue import QueueSpout
from typhoon.components._stdin import StdinLines

__all__ = ["FileLines", "JsonLines", "Print", "Puts", "QueueSpout", "StdinLines"]
