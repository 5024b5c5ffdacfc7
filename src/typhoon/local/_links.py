"""How the workers of one machine are linked, as the configuration has it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typhoon.errors import InvalidConfigError

LONGEST = 107 if sys.platform == "linux" else 103
"""Bytes that the path of a Unix socket may have."""
NAME = len("/63-9999")
"""What a socket's own name adds to that of its folder."""


def refuse_long_path(conf: Mapping[str, Any], folder: Path) -> None:
    """Raises ``InvalidConfigError`` if workers could not listen in ``folder``."""
    length = len(os.fsencode(folder)) + NAME
    if conf["worker.link.transport"] == "unix" and length > LONGEST:
        raise InvalidConfigError(
            f"workers cannot listen in {folder}: the path of a Unix socket has at most {LONGEST} "
            "bytes\nhint: set TMPDIR to a shorter path, or worker.link.transport to tcp"
        )


def link_tls(conf: Mapping[str, Any]) -> tuple[str, str, str, str] | None:
    """Certificate, key, authorities and name. Raises ``InvalidConfigError`` for a part of them."""
    names = [f"worker.link.tls.{part}" for part in ("certificate", "key", "authorities")]
    certificate, key, authorities = files = [conf[name] for name in names]
    if not any(files):
        return None
    if not all(files) or conf["worker.link.transport"] != "tcp":
        wanted = "TLS between workers needs worker.link.transport: tcp and all of "
        hint = "\nhint: leave all of them out for links without TLS"
        raise InvalidConfigError([wanted + ", ".join(names) + hint])
    missing = [name for name in names if not Path(conf[name]).is_file()]
    if missing:
        raise InvalidConfigError(
            f"{name}: there is no file {conf[name]}\nhint: give the path of a PEM file"
            for name in missing
        )
    return certificate, key, authorities, conf["worker.link.tls.name"]
