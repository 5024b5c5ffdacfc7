"""The registry: every key that typhoon knows, by name."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from typhoon.config._cluster_keys import CLUSTER_KEYS
from typhoon.config._engine_keys import ENGINE_KEYS
from typhoon.config._key import Key
from typhoon.config._topology_keys import STORM_TOPOLOGY_KEYS

REGISTRY: Mapping[str, Key] = {
    key.name: key for key in (*ENGINE_KEYS, *STORM_TOPOLOGY_KEYS, *CLUSTER_KEYS)
}

PREFIXES = (
    "topology.",
    "nimbus.",
    "supervisor.",
    "worker.",
    "storm.",
    "ui.",
    "logviewer.",
    "drpc.",
)
"""An unknown key that begins so is probably misspelt; any other is a user's own."""


def defaults() -> dict[str, Any]:
    """The default of every key."""
    return {key.name: key.default for key in REGISTRY.values()}


def is_ours(name: str) -> bool:
    """Whether a key of this name belongs to typhoon or Storm, known or not."""
    return name in REGISTRY or name.startswith(PREFIXES)


def nearest(name: str) -> str:
    """Words that name the known key most like ``name``, as what was meant if it is near."""
    near = get_close_matches(name, REGISTRY, n=1, cutoff=0.7)
    if near:
        return f"did you mean {near[0]!r}?"
    (best,) = get_close_matches(name, REGISTRY, n=1, cutoff=0.0)
    return f"the nearest known key is {best!r}"
