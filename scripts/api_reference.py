"""Write the page of the programming interface, docs/reference/api.md, from the code.

Usage: python scripts/api_reference.py
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import typhoon
import typhoon.components
import typhoon.testing
from typhoon import errors, local, metrics, topology, worker

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "api.md"

HEAD = """# The programming interface

What can be imported from `typhoon`, `typhoon.components` and `typhoon.testing`, in the words of the
code itself. A class is shown with what it adds to the class that it derives from.
[Ten minutes](../guide/ten-minutes.md) shows how these names are used.
"""

GROUPS: list[tuple[str, ModuleType, list[str]]] = [
    ("Topologies", typhoon, ["Topology", "TopologyBuilder", "TopologySpec", "topology_spec"]),
    ("Running", typhoon, ["run", "LocalCluster"]),
    ("A running topology", local, ["LocalTopology"]),
    ("Figures", metrics, ["Stats", "ComponentStats"]),
    ("Functions", typhoon, ["bolt", "spout", "Emit"]),
    ("What spouts and bolts share", topology, ["Component"]),
    ("Spouts", typhoon, ["Spout", "ReliableSpout"]),
    ("Bolts", typhoon, ["Bolt", "AsyncBolt", "BatchingBolt", "TicklessBatchingBolt"]),
    ("What flows", typhoon, ["Tuple", "Stream", "Grouping"]),
    ("Where a task stands", worker, ["WorkerContext", "Context"]),
    ("Hooks", typhoon, ["TaskHook", "WorkerHook"]),
    ("Types between workers", typhoon, ["register_type"]),
    ("Components of the core", typhoon, ["native"]),
    ("typhoon.components", typhoon.components, list(typhoon.components.__all__)),
    ("typhoon.testing", typhoon.testing, list(typhoon.testing.__all__)),
]

HEADINGS = {
    "bolt": "The decorator bolt",
    "spout": "The decorator spout",
    "Pause": "The class Pause",
}
"""Of names that differ from another in their capital letters alone: anchors have none."""

GIVEN = {
    "LocalTopology",
    "WorkerContext",
    "Context",
    "Puts",
    "Tuple",
    "BoltRun",
    "CompletedTopology",
}
"""Classes whose objects typhoon makes: how they are made is not told."""

INNER = {"attach", "blueprint", "detach", "for_run", "has_ended", "join", "settle", "take"}
"""Methods that one room of typhoon has for another."""


def render_reference() -> str:
    """The whole page, as Markdown."""
    lines = [HEAD]
    for title, module, names in GROUPS:
        lines.append(f"## {title}\n")
        for name in names:
            lines += [f"### {HEADINGS.get(name, name)}\n", *_entry(name, getattr(module, name))]
    lines.append("## Errors\n")
    lines += [_error(getattr(errors, name)) for name in errors.__all__]
    return "\n".join(lines)


def _entry(name: str, value: Any) -> Iterator[str]:
    if inspect.ismodule(value):
        yield from _module(value)
    elif inspect.isclass(value) and value.__name__ == name:
        yield from _class(value)
    elif inspect.isfunction(value):
        yield f"`{name}{_signature(value)}`\n"
        yield _text(value) + "\n"
    else:
        module = value.__module__ if inspect.isclass(value) else type(value).__module__
        yield f"{_attributes(_tree(sys.modules[module]))[name][1]}\n"


def _module(module: ModuleType) -> Iterator[str]:
    yield _text(module) + "\n"
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__ and name[0] != "_":
            yield _item(f"{name}{_signature(value)}", _text(value))


def _class(cls: type) -> Iterator[str]:
    own, above = _family(cls)
    constructor = _constructor(cls)
    derived = f"; a `{above.__name__}`" if above else ""
    yield f"`{cls.__name__}{constructor}`{derived}\n"
    text = _text(cls)
    yield text + "\n"
    if "\n- " in text:  # or the members would go on with that list
        yield "Its members:\n"
    for base in own:
        yield from _members(base)


def _family(cls: type) -> tuple[list[type], type | None]:
    """The classes whose members are shown with ``cls``, and the one that is shown elsewhere."""
    entries = [getattr(module, name) for _, module, names in GROUPS for name in names]
    shown = [entry for entry in entries if inspect.isclass(entry)]
    above = [base for base in cls.__mro__[1:] if base in shown]
    own = [
        base
        for base in cls.__mro__
        if base.__module__.startswith("typhoon") and not any(issubclass(one, base) for one in above)
    ]
    return own, above[0] if above else None


def _members(cls: type) -> Iterator[str]:
    told = _attributes(_class_tree(cls))
    for name, (kind, text) in told.items():
        yield _item(f"{name}: {kind}" if kind else name, text)
    core = cls.__module__ == "typhoon._core"  # which has its members in no order
    for name, value in sorted(vars(cls).items()) if core else vars(cls).items():
        text = _plain(inspect.cleandoc(getattr(value, "__doc__", None) or ""))
        if name.startswith("_") or name in told or name in INNER or not text:
            continue
        if isinstance(value, staticmethod):
            yield _item(f"{name}{_signature(value.__func__)}", text)
        elif callable(value):
            yield _item(f"{name}{_signature(value, bound=True)}", text)
        elif name == "spec" and not isinstance(value, property):
            yield _item(f"{name}{_signature(value.__get__(None, cls))}", text)
        elif hasattr(value, "__get__"):
            yield _item(name, text)


def _error(cls: type) -> str:
    builtin = [base.__name__ for base in cls.__mro__ if base.__module__ == "builtins"]
    also = f", also a `{builtin[0]}`" if builtin[0] != "Exception" else ""
    page = f"[{cls.__name__}](errors.md#{cls.__name__.lower()})"
    return _item_of(f"{page}{also}", _text(cls))


def _item(signature: str, text: str) -> str:
    return _item_of(f"`{signature}`", text)


def _item_of(head: str, text: str) -> str:
    return f"- {head}  \n{textwrap.indent(text, '    ')}\n"


def _constructor(cls: type) -> str:
    """How ``cls`` is made; nothing where its subclasses say it."""
    if cls.__name__ in GIVEN:
        return ""
    try:
        signature = inspect.signature(cls)
    except (TypeError, ValueError):
        return ""
    kinds = {one.kind for one in signature.parameters.values()}
    if not kinds or kinds <= {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
        return "()" if "__init__" in vars(cls) else ""
    return _shown(signature.replace(return_annotation=inspect.Signature.empty))


def _signature(function: Any, *, bound: bool = False) -> str:
    """How ``function`` is called; ``bound``: its first parameter is the object."""
    signature = inspect.signature(function)
    if bound:
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    return _shown(signature)


def _shown(signature: inspect.Signature) -> str:
    """``signature`` as it is written."""
    parts: list[str] = []
    last = None
    for one in signature.parameters.values():
        if one.kind is one.KEYWORD_ONLY and last not in {one.KEYWORD_ONLY, one.VAR_POSITIONAL}:
            parts.append("*")
        parts.append(_parameter(one))
        last = one.kind
    returned = signature.return_annotation
    arrow = "" if returned in {inspect.Signature.empty, None, "None"} else f" -> {_type(returned)}"
    return f"({', '.join(parts)}){arrow}"


def _parameter(one: inspect.Parameter) -> str:
    stars = str(one).partition(one.name)[0]
    kind = "" if one.annotation is one.empty else f": {_type(one.annotation)}"
    if one.default is one.empty:
        return f"{stars}{one.name}{kind}"
    value = one.default
    shown = value.__name__ if inspect.isclass(value) else repr(value)
    shown = "..." if shown.startswith("<") else shown
    return f"{one.name}{kind} = {shown}" if kind else f"{one.name}={shown}"


def _type(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _text(value: Any) -> str:
    return _plain(inspect.getdoc(value) or "")


def _plain(text: str) -> str:
    return text.replace("``", "`").strip()


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def _class_tree(cls: type) -> ast.AST:
    module = sys.modules[cls.__module__]
    if not getattr(module, "__file__", "").endswith(".py"):
        return ast.Module([], [])
    nodes = ast.walk(_tree(module))
    return next(one for one in nodes if isinstance(one, ast.ClassDef) and one.name == cls.__name__)


def _attributes(tree: Any) -> dict[str, tuple[str, str]]:
    """Each public attribute that is followed by words about it: its type and value, and those."""
    found = {}
    for node, after in zip(tree.body, tree.body[1:], strict=False):
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        words = after.value if isinstance(after, ast.Expr) else None
        if not (isinstance(words, ast.Constant) and isinstance(words.value, str)):
            continue
        name = ast.unparse(target)
        if not name.startswith("_"):
            found[name] = (_declared(node), _plain(inspect.cleandoc(words.value)))
    return found


def _declared(node: ast.Assign | ast.AnnAssign) -> str:
    if isinstance(node, ast.Assign):
        return ""
    kind = ast.unparse(node.annotation)
    kind = kind.removeprefix("ClassVar[").removesuffix("]") if "ClassVar[" in kind else kind
    plain = isinstance(node.value, ast.Constant)
    return f"{kind} = {ast.unparse(node.value)}" if node.value and plain else kind


if __name__ == "__main__":
    PAGE.write_text(render_reference(), encoding="utf-8")
