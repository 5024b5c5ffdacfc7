"""``typhoon graph``: the picture of a topology as text, Mermaid or SVG."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from typhoon.cli._labels import label, size
from typhoon.cli._load import default_name, file_of, load_topology
from typhoon.cli._options import Environment, Target
from typhoon.cli._streamparse import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typhoon.topology import ComponentSpec, TopologySpec


class Format(StrEnum):
    """How the picture is drawn."""

    TEXT = "text"
    MERMAID = "mermaid"
    SVG = "svg"


As = Annotated[Format, typer.Option("--format", help="How the picture is drawn.")]


def graph(target: Target, form: As = Format.TEXT, environment: Environment = None) -> None:
    """Print the picture of a topology: its components, and how tuples are shared out."""
    from typhoon.topology import topology_spec

    _, topology = load_topology(target)
    environment, _ = settings(file_of(target), environment)
    spec = topology_spec(topology, environment=environment)
    title = spec.name or default_name(target)
    if form is Format.SVG:
        from typhoon.cli._svg import svg

        picture = svg(spec, title)
    elif form is Format.MERMAID:
        picture = mermaid(spec)
    else:
        picture = text(spec, title)
    sys.stdout.write(picture)


def text(spec: TopologySpec, title: str) -> str:
    """Every component in topological order, and under it who takes what it emits."""
    lines = [title]
    for name in spec.topological_order():
        component = spec.components[name]
        lines.append("")
        lines.append(" ".join(filter(None, [component.kind, name, size(component)])))
        lines.extend(f"  {stream}" for stream in _outputs(component))
        lines.extend(
            f"  └─ {label(subscription)} ─▶ {bolt}" for bolt, subscription in spec.subscribers(name)
        )
    return "\n".join(lines) + "\n"


def _outputs(component: ComponentSpec) -> Iterator[str]:
    for stream in component.outputs.values():
        fields = ", ".join(map(str, stream.fields))
        name = "" if stream.name == "default" else f"{stream.name} "
        yield f"emits {name}[{fields}]"


def mermaid(spec: TopologySpec) -> str:
    """The picture in Mermaid's language, as pages of code hosts draw it."""
    order = spec.topological_order()
    ids = {name: f"c{number}" for number, name in enumerate(order)}
    lines = ["flowchart LR"]
    for name in order:
        component = spec.components[name]
        words = _quoted(" ".join(filter(None, [name, size(component)])))
        left, right = ("([", "])") if component.kind == "spout" else ("[", "]")
        lines.append(f"    {ids[name]}{left}{words}{right}")
    for name in order:
        lines.extend(
            f"    {ids[name]} -->|{_quoted(label(subscription))}| {ids[bolt]}"
            for bolt, subscription in spec.subscribers(name)
        )
    return "\n".join(lines) + "\n"


def _quoted(words: str) -> str:
    escaped = words.replace("&", "&amp;").replace('"', "&quot;")
    return '"' + escaped.replace("<", "&lt;").replace(">", "&gt;") + '"'
