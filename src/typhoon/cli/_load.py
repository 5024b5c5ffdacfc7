"""``APP.py[:Name]``: from a file to the topology that it defines."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from typhoon.cli._streamparse import prepare, root_of
from typhoon.cli._words import CommandLineError
from typhoon.errors import InvalidTopologyError, TopologyFileError, TyphoonError, told
from typhoon.topology import Declaration, Topology, TopologyBuilder, TopologySpec, check_name


def load_topology(target: str) -> tuple[str, Any]:
    """Import the file of ``target`` and find its topology: a name for it, and what it is.

    The file becomes an importable module: its folder goes on ``sys.path`` and it is registered
    under its own name. Raises ``CommandLineError`` where another ``target`` would help,
    ``TopologyFileError`` where the file must be mended.
    """
    path, name = _parts(target)
    file = topology_file(target)
    prepare(file)
    module = import_file(file)
    found = topologies(module)
    if name is not None:
        return name, _named(module, path, name, found)
    if not found:
        raise TopologyFileError(
            f"{path} defines no topology",
            hint="write a class that derives from typhoon.Topology, with at least one spec() in it",
        )
    if len(found) > 1:
        raise TopologyFileError(
            f"{path} defines {len(found)} topologies: {', '.join(found)}",
            hint=f"say which: {path}:{next(iter(found))}",
        )
    return next(iter(found.items()))


def file_of(target: str) -> Path:
    """The file of ``APP.py[:Name]``."""
    return Path(_parts(target)[0])


def default_name(target: str) -> str:
    """The name that a topology runs under if none is given: that of its file, or a plain one where
    a topology cannot have that."""
    name = file_of(target).stem.strip("_ ").replace("_", "-")
    try:
        check_name(name)
    except InvalidTopologyError:
        return "topology"
    return name


def topology_file(target: str) -> Path:
    """The application's file, which is there; raises ``CommandLineError`` otherwise."""
    file = file_of(target)
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise CommandLineError(f"{file} {what}", hint="give a Python file: APP.py or APP.py:Name")
    return file


def project_folder(target: str) -> Path:
    """The folder of the application's file; that above it where its project has a ``src``."""
    return root_of(file_of(target))


def _parts(target: str) -> tuple[str, str | None]:
    path, colon, name = target.rpartition(":")
    if colon and path and name.isidentifier():
        return path, name
    return target, None


def _load_what_it_hides(folder: Path) -> None:
    """What runs workers is loaded late, as most runs have none; but now, if a file of ``folder``
    would be taken for one of the modules that it needs."""
    needed = {*sys.stdlib_module_names, "psutil", "cloudpickle"}
    modules = {one.stem for one in folder.glob("*.py")}
    packages = {one.parent.name for one in folder.glob("*/__init__.py")}
    if not needed.isdisjoint(modules | packages):
        import typhoon.local._group  # noqa: F401


def import_file(file: Path) -> ModuleType:
    """``file`` as a module; what it raises becomes a ``TopologyFileError`` of a few lines."""
    folder = file.resolve().parent
    _load_what_it_hides(folder)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    name = _module_name(file)
    spec = importlib.util.spec_from_file_location(name, file.resolve())
    if spec is None or spec.loader is None:
        raise CommandLineError(f"{file} is not a Python file", hint="its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        raise TopologyFileError(
            f"{file} does not import: {_story(error)}", hint=_advice(error)
        ) from error
    return module


def module_of(target: str) -> tuple[str, str]:
    """The module that the application was imported as, and its file."""
    file = str(file_of(target).resolve())
    for name, module in sys.modules.items():
        if getattr(module, "__file__", None) == file:
            return name, file
    raise LookupError(f"{target} has not been imported")


def _module_name(file: Path) -> str:
    """The file's own name, unless a module that others need has it."""
    name = file.stem
    taken = name in sys.modules or name in sys.stdlib_module_names
    return f"{name}_topology" if taken or not name.isidentifier() else name


def _story(error: BaseException) -> str:
    """The exception and where in the user's code it came from, without our own frames."""
    if isinstance(error, SyntaxError):
        return f"{error.msg}\n  {error.filename}:{error.lineno}: {(error.text or '').strip()}"
    reason = error.message if isinstance(error, TyphoonError) else told(error)
    lines = [f"{type(error).__name__}: {reason}" if reason else type(error).__name__]
    lines += [
        f"  {frame.filename}:{frame.lineno}: {frame.line}"
        for frame in _own_frames(error.__traceback__)[-3:]
    ]
    return "\n".join(lines)


def _own_frames(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    ours = str(Path(__file__).parent.parent)
    return [
        frame
        for frame in traceback.extract_tb(trace)
        if not frame.filename.startswith((ours, "<frozen"))
    ]


def _advice(error: BaseException) -> str:
    if isinstance(error, TyphoonError) and error.hint:
        return error.hint
    if isinstance(error, ModuleNotFoundError):
        return f"install {error.name!r} into this environment ({sys.prefix}), or mend the import"
    return "mend the file and run it again"


def topologies(module: ModuleType) -> dict[str, Any]:
    """The topologies that ``module`` defines, by name; those it imported only if it has no own."""
    all_of_them: dict[str, Any] = {}
    for name, value in vars(module).items():
        if is_topology(value) and not any(value is other for other in all_of_them.values()):
            all_of_them[name] = value
    classes_of_objects = {type(value) for value in all_of_them.values()}
    chosen = {
        name: value
        for name, value in all_of_them.items()
        if not (isinstance(value, type) and (value in classes_of_objects or _is_empty(value)))
    }
    own = {name: value for name, value in chosen.items() if _is_own(name, value, module)}
    return own or chosen


def is_topology(value: Any) -> bool:
    """Whether ``value`` is a topology in one of the forms in which one can be written."""
    if isinstance(value, type):
        return issubclass(value, Topology) and value is not Topology
    return isinstance(value, Topology | TopologyBuilder | TopologySpec)


def _is_own(name: str, value: Any, module: ModuleType) -> bool:
    if isinstance(value, type):
        return value.__module__ == module.__name__
    return name not in _imported(module)


def _imported(module: ModuleType) -> set[str]:
    """The names that the file of ``module`` takes over from others: objects do not say where they
    were made."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_bytes())):
        if isinstance(node, ast.ImportFrom):
            for one in node.names:
                there = sys.modules.get(node.module or "") if one.name == "*" else None
                names.update(vars(there) if there is not None else [one.asname or one.name])
    return names


def _is_empty(topology: type) -> bool:
    """A class without a component is a base for others."""
    return not any(
        isinstance(value, Declaration) for base in topology.__mro__ for value in vars(base).values()
    )


def _named(module: ModuleType, path: str, name: str, found: dict[str, Any]) -> Any:
    value = getattr(module, name, None)
    if value is not None and is_topology(value):
        return value
    what = "is not a topology" if hasattr(module, name) else "is not there"
    near = difflib.get_close_matches(name, found, 1)
    hint = (
        f"did you mean {path}:{near[0]}?"
        if near
        else f"it has {', '.join(found)}"
        if found
        else "it defines no topology at all"
    )
    raise CommandLineError(f"{path}: {name} {what}", hint=hint)
