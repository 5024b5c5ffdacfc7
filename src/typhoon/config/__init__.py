"""Configuration: one registry of keys, layers merged as in Storm, frozen options for the engine."""

from typhoon.config._key import Key
from typhoon.config._kinds import read_duration
from typhoon.config._merge import (
    CheckedConf,
    check,
    component_conf,
    no_mapping,
    read_value,
    topology_conf,
)
from typhoon.config._options import TopologyOptions, topology_options
from typhoon.config._reference import render_reference
from typhoon.config._registry import REGISTRY, defaults
from typhoon.config._sources import find_file, load_file, parse_assignments

__all__ = [
    "REGISTRY",
    "CheckedConf",
    "Key",
    "TopologyOptions",
    "check",
    "component_conf",
    "defaults",
    "find_file",
    "load_file",
    "no_mapping",
    "parse_assignments",
    "read_duration",
    "read_value",
    "render_reference",
    "topology_conf",
    "topology_options",
]
