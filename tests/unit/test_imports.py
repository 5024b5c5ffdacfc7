"""Imports flow one way: the graph is read from the sources, and every wrong arrow is named."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import typhoon

# Each room may import those above it. Rooms of one line do not import each other.
FLOW = [
    ["errors"],
    ["config"],
    ["topology"],
    ["metrics"],
    ["worker"],
    ["cluster.store", "cluster.scheduling", "cluster.lifecycle", "cluster.thrift"],
    ["cluster.supervisor", "cluster.nimbus"],
    ["local"],
    ["cluster.launchers", "web"],
    ["cli"],
]
CONCEPTS = ["windowing", "state", "streams", "trident", "drpc", "multilang", "flux", "connectors"]
MAY_TOUCH_CORE = {"topology", "worker", "metrics", "testing"}

LEVEL = {room: number for number, rooms in enumerate(FLOW) for room in rooms}
MAY_IMPORT = {
    **{room: {other for other in LEVEL if LEVEL[other] < level} for room, level in LEVEL.items()},
    **{concept: {"errors", "config", "topology", "metrics", "worker"} for concept in CONCEPTS},
    "compat": {"errors", "config", "topology"},
    "cli": {room for room, level in LEVEL.items() if level < LEVEL["cli"]} | {"compat"},
    "components": {"errors", "topology"},
    "testing": {*LEVEL, *CONCEPTS, "compat", "components"},
}
"""For each room, the other rooms that it may import."""


def modules(source: Path) -> dict[str, Path]:
    """Every module under `source` by its dotted name."""
    found = {}
    for file in sorted(source.rglob("*.py")):
        parts = file.relative_to(source).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(name: str, file: Path, known: set[str]) -> Iterator[str]:
    """The modules of `known` that `file` imports, early or late, but not for types alone."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in _running(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _base(package, node)
            wanted = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in wanted:
            # `from a import b` means the module a.b where there is one, else a name in a.
            exact = target if target in known else target.rpartition(".")[0]
            if (exact in known and exact != name) or exact == "typhoon._core":
                yield exact


def _base(package: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but the bodies of `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield other
                yield from _running(other)
            continue
        yield child
        yield from _running(child)


def room(module: str) -> str | None:
    """The room that `module` is in; None for the front door, which may show what it likes."""
    parts = module.split(".")[1:]
    if not parts:
        return None
    return ".".join(parts[:2]) if parts[0] == "cluster" else parts[0]


def graph(source: Path) -> dict[str, set[str]]:
    known = modules(source)
    return {name: set(imports(name, file, set(known))) for name, file in known.items()}


def wrong_arrows(arrows: dict[str, set[str]]) -> list[str]:
    """One line for each import that the flow does not allow."""
    wrong = []
    for module, targets in sorted(arrows.items()):
        here = room(module)
        if here is None:
            continue
        for target in sorted(targets):
            there = room(target)
            if there == "_core":
                allowed = here in MAY_TOUCH_CORE
            else:
                allowed = there == here or there in MAY_IMPORT.get(here, set())
            if not allowed:
                wrong.append(f"{module} imports {target}")
    return wrong


def cycle(arrows: dict[str, set[str]]) -> list[str]:
    """Some modules that import each other in a circle, or none."""
    done: set[str] = set()
    path: list[str] = []

    def walk(module: str) -> list[str]:
        if module in path:
            return path[path.index(module) :]
        if module in done:
            return []
        path.append(module)
        for target in sorted(arrows.get(module, ())):
            if found := walk(target):
                return found
        path.pop()
        done.add(module)
        return []

    for module in sorted(arrows):
        if found := walk(module):
            return found
    return []


def make(folder: Path, files: dict[str, str]) -> dict[str, set[str]]:
    """The graph of a small house made of `files`."""
    for name, text in files.items():
        file = folder / "typhoon" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return graph(folder)


@pytest.fixture(scope="module")
def arrows(root: Path) -> dict[str, set[str]]:
    return graph(root / "src")


def test_the_graph_is_that_of_the_project(arrows: dict[str, set[str]]) -> None:
    assert "typhoon.topology._stream" in arrows["typhoon.topology._spec"]
    assert "typhoon.topology._graph" in arrows["typhoon.topology._spec"]
    assert "typhoon._core" in arrows["typhoon.topology._bolt"]


def test_no_arrow_goes_against_the_flow(arrows: dict[str, set[str]]) -> None:
    assert wrong_arrows(arrows) == []


def test_no_modules_import_each_other_in_a_circle(arrows: dict[str, set[str]]) -> None:
    assert cycle(arrows) == []


def test_every_room_has_its_place_in_the_flow(arrows: dict[str, set[str]]) -> None:
    rooms = {room(module) for module in arrows} - {None, "cluster"}
    assert rooms <= MAY_IMPORT.keys()


@pytest.mark.parametrize(
    "text",
    [
        "from typhoon.topology import Bolt",
        "import typhoon.topology",
        "from typhoon import topology",
        "from ..topology import Bolt",
        "def late():\n    from typhoon.topology import Bolt",
        "if TYPE_CHECKING:\n    pass\nelse:\n    from typhoon import topology",
    ],
)
def test_an_arrow_against_the_flow_is_found(tmp_path: Path, text: str) -> None:
    files = {"topology/__init__.py": "Bolt = 1", "config/__init__.py": "", "config/_a.py": text}
    assert wrong_arrows(make(tmp_path, files)) == ["typhoon.config._a imports typhoon.topology"]


@pytest.mark.parametrize("name", typhoon.__all__)
def test_the_front_door_has_what_it_promises(name: str) -> None:
    assert getattr(typhoon, name) is not None
    assert name in dir(typhoon)


def test_a_name_that_nobody_promised_is_an_attribute_error() -> None:
    for module in (typhoon, typhoon.topology):
        with pytest.raises(AttributeError, match="has no attribute 'Blot'"):
            _ = module.Blot


def loaded_by(code: str) -> set[str]:
    """The modules that are loaded after `code` has run in a process of its own."""
    code = f"{code}\nimport sys; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(answer.stdout.split())


def test_writing_a_topology_loads_nothing_that_only_checking_or_running_one_needs() -> None:
    loaded = loaded_by("import typhoon")
    assert "typhoon.topology._bolt" in loaded
    assert not loaded & {
        "dataclasses",
        "inspect",
        "logging",
        "typhoon.config",
        "typhoon.local",
        "typhoon.topology._resolve",
        "typhoon.topology._spec",
    }


IN_ONE_PROCESS = """
from typhoon import LocalCluster, Spout, TopologyBuilder

class Nothing(Spout):
    def next_tuple(self):
        raise StopIteration

builder = TopologyBuilder("nothing")
builder.set_spout("nothing", Nothing)
with LocalCluster() as cluster:
    cluster.submit("nothing", builder).wait_until_drained()
"""


def test_a_run_in_one_process_loads_nothing_of_other_processes() -> None:
    loaded = loaded_by(IN_ONE_PROCESS)
    assert "typhoon.local" in loaded
    others = {"typhoon.cluster.supervisor", "typhoon.local._group", "subprocess", "cloudpickle"}
    assert not loaded & others


def test_an_import_for_types_alone_is_no_arrow(tmp_path: Path) -> None:
    text = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from typhoon.topology import Bolt"
    )
    files = {"topology/__init__.py": "Bolt = 1", "config/__init__.py": text}
    assert wrong_arrows(make(tmp_path, files)) == []


def test_the_core_behind_the_wrong_door_is_found(tmp_path: Path) -> None:
    files = {"config/__init__.py": "from typhoon._core import Engine"}
    assert wrong_arrows(make(tmp_path, files)) == ["typhoon.config imports typhoon._core"]


def test_neighbours_of_one_line_do_not_import_each_other(tmp_path: Path) -> None:
    files = {
        "cluster/store/__init__.py": "import typhoon.cluster.lifecycle",
        "cluster/lifecycle/__init__.py": "",
    }
    assert wrong_arrows(make(tmp_path, files)) == [
        "typhoon.cluster.store imports typhoon.cluster.lifecycle"
    ]


def test_a_circle_is_found(tmp_path: Path) -> None:
    files = {
        "topology/_a.py": "from typhoon.topology import _b",
        "topology/_b.py": "from typhoon.topology._c import x",
        "topology/_c.py": "from . import _a\nx = 1",
    }
    assert set(cycle(make(tmp_path, files))) == {
        "typhoon.topology._a",
        "typhoon.topology._b",
        "typhoon.topology._c",
    }
