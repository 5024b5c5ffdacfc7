"""``typhoon version``."""

from __future__ import annotations

import json
import platform
import sys

from typhoon.cli._options import Json


def version(as_json: Json = False) -> None:
    """What is installed: the version, and the Python and the platform it runs on."""
    from importlib.metadata import version as installed

    facts = {
        "typhoon": installed("typhoon"),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    if as_json:
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        line = "typhoon {typhoon}, {implementation} {python}, {platform}"
        sys.stdout.write(line.format(**facts) + "\n")
