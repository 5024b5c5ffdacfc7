"""Write the page of configuration keys, docs/reference/config.md, from the registry.

Usage: python scripts/config_reference.py
"""

from pathlib import Path

from typhoon.config import render_reference

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "config.md"

if __name__ == "__main__":
    PAGE.write_text(render_reference(), encoding="utf-8")
