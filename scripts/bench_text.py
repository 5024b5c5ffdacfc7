"""Write the text that the benchmarks read.

It is the King James Bible where Debian's `bible-kjv` is installed (31,102 lines, 820,736 words:
the figures in the documentation are over this text), else the standard library's sources.

Usage: python scripts/bench_text.py OUT
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path


def bible() -> str | None:
    """One verse a line, or None where the program is not installed."""
    program = shutil.which("bible") or shutil.which("bible", path="/usr/games")
    if program is None:
        return None
    verses = subprocess.run(
        [program, "-f", "gen1:1-rev22:21"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return verses.stdout


def standard_library() -> str:
    """The modules at the top of the standard library, one after the other."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    return "".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.py")))


def main() -> None:
    out = Path(sys.argv[1])
    text = bible()
    source = "bible-kjv"
    if text is None:
        text, source = standard_library(), "the standard library's sources"
    out.write_text(text, encoding="utf-8")
    print(f"{out}: {source}, {text.count(chr(10)):,} lines, {len(text.split()):,} words")


if __name__ == "__main__":
    main()
