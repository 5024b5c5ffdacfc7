"""Renders the registry as a page of the manual: ``docs/reference/config.md``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typhoon.config._key import Key
from typhoon.config._registry import REGISTRY

HEAD = """# Configuration keys

This page is written from the registry in `typhoon.config`; change that, not this.

Keys may be set in `typhoon.yaml`, by `-c key=value` or in a topology's `config`. A duration may be
a number of the key's unit, a `timedelta`, or text such as `30s`, `5m`, `100ms`; a size a number of
bytes or text such as `256MiB`. Keys with a ● may also be set on one component. A key with none of
typhoon's prefixes is your own and reaches `conf` untouched.
"""


def render_reference() -> str:
    """The whole page, as Markdown."""
    sections: dict[str, list[Key]] = {}
    for key in sorted(REGISTRY.values(), key=lambda key: key.name):
        sections.setdefault(key.name.partition(".")[0], []).append(key)
    lines = [HEAD]
    for prefix, keys in sections.items():
        lines += [
            f"## {prefix}",
            "",
            "| key | default | unit | | what it does |",
            "|---|---|---|---|---|",
        ]
        lines += [_row(key) for key in keys]
        lines.append("")
    return "\n".join(lines)


def _row(key: Key) -> str:
    mark = "●" if key.per_component else ""
    return f"| `{key.name}` | `{_shown(key.default)}` | {key.unit} | {mark} | {_text(key)} |"


def _text(key: Key) -> str:
    return "; ".join(_sentences(key)).replace("|", "\\|")


def _sentences(key: Key) -> Iterator[str]:
    yield key.doc
    if key.kind.description != "anything":
        yield f"must be {key.kind.description}"
    if key.effect:
        yield f"**{key.effect}**"


def _shown(value: Any) -> str:
    """``value`` as one would write it in YAML."""
    import json

    return json.dumps(value)
