"""What streamparse's and pystorm's users wrote, run as it stands.

``pystorm`` and ``streamparse`` below this room have the modules, names and habits of the packages
of that name; ``activate`` makes ``import streamparse`` and ``import pystorm`` find them. Their
components are plain objects: the engine runs a host (``_hosts``) that calls one.
"""

from __future__ import annotations

from typhoon.compat._finder import activate, is_used
from typhoon.compat._globals import globals_assigned
from typhoon.compat._project import Project, find_project

__all__ = ["Project", "activate", "find_project", "globals_assigned", "is_used"]
