"""What the base install takes on disk: the wheel and all that it needs, in a folder of its own.

    python benchmarks/disk.py [--wheel dist/typhoon-....whl] [--json]

Without ``--wheel`` the newest one in ``dist/`` is taken (``make wheel``). What the wheel needs
comes from the index that pip uses.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import Figure, answer, digits

ROOT = Path(__file__).resolve().parent.parent
GOAL_MB = 30
SHOWN = 4
"""So many of the largest parts are named."""


def newest_wheel() -> Path:
    wheels = sorted((ROOT / "dist").glob("typhoon-*.whl"), key=lambda one: one.stat().st_mtime)
    if not wheels:
        raise SystemExit("error: there is no wheel in dist/\nhint: make wheel")
    return wheels[-1]


def install(wheel: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*command, "--target", str(folder), str(wheel)], check=True, stdout=sys.stderr)


def megabytes(folder: Path) -> float:
    """Of the files in ``folder``, compiled Python files with them, as an install has them."""
    files = [folder] if folder.is_file() else folder.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def measure(wheel: Path) -> Figure:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        install(wheel, folder)
        parts = {part.name: megabytes(part) for part in folder.iterdir()}
    largest = sorted(parts, key=lambda name: -parts[name])[:SHOWN]
    return Figure(
        what="base install on disk",
        values=[sum(parts.values())],
        unit="MB",
        goal=GOAL_MB,
        beside={name: f"{digits(parts[name])} MB" for name in largest},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="What the base install takes on disk.")
    parser.add_argument("--wheel", type=Path, help="the wheel (the newest in dist/)")
    parser.add_argument("--json", action="store_true", dest="as_json")
    asked = parser.parse_args()
    wheel = asked.wheel or newest_wheel()
    print(answer("disk", [measure(wheel)], {"wheel": wheel.name}, asked.as_json))


if __name__ == "__main__":
    main()
