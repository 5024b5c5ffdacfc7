"""Answers ``import streamparse`` and ``import pystorm``, before an installed one could."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from types import ModuleType

NAMES = ("pystorm", "streamparse")
HERE = "typhoon.compat"


class _Loader(Loader):
    """Fills a module with what the one of the same name in this room has."""

    def exec_module(self, module: ModuleType) -> None:
        own = import_module(f"{HERE}.{module.__name__}")
        public = {name: value for name, value in vars(own).items() if not name.startswith("__")}
        # A submodule is seen as the module that its name is imported as, not as the one behind it.
        vars(module).update(
            {name: value for name, value in public.items() if not isinstance(value, ModuleType)}
        )
        for name in ("__all__", "__doc__", "__version__"):
            if hasattr(own, name):
                setattr(module, name, getattr(own, name))
        for name in getattr(own, "SUBMODULES", ()):
            import_module(f"{module.__name__}.{name}")


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in NAMES:
            return None
        own = find_spec(f"{HERE}.{fullname}")
        if own is None:
            raise ModuleNotFoundError(
                f"{fullname} is no part of what typhoon has of {fullname.partition('.')[0]}",
                name=fullname,
            )
        return spec_from_loader(
            fullname, _Loader(), is_package=own.submodule_search_locations is not None
        )


FINDER = _Finder()


def activate() -> None:
    """From now on this process finds our modules under those names, whatever is installed."""
    if FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)


def is_used() -> bool:
    """Whether anything in this process has imported one of them."""
    return any(
        isinstance(getattr(sys.modules.get(name), "__loader__", None), _Loader) for name in NAMES
    )
