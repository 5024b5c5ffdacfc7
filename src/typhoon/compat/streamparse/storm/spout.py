"""What ``streamparse.storm.spout`` has: pystorm's spouts, with a spec."""

from __future__ import annotations

from typing import Any

from typhoon.compat import pystorm
from typhoon.compat.streamparse.dsl.spout import JavaSpoutSpec, ShellSpoutSpec
from typhoon.compat.streamparse.storm.component import Component

__all__ = ["Component", "JavaSpout", "ReliableSpout", "ShellSpout", "Spout"]


class JavaSpout(Component):
    """A spout of the JVM's: it can be declared, and not run."""

    @classmethod
    def spec(
        cls,
        name: str | None = None,
        serialized_java: bytes | None = None,
        full_class_name: str | None = None,
        args_list: list[Any] | None = None,
        par: Any = 1,
        config: Any = None,
        outputs: Any = None,
    ) -> JavaSpoutSpec:
        return JavaSpoutSpec(
            cls,
            name,
            serialized_java,
            full_class_name,
            args_list,
            par=par,
            config=config,
            outputs=outputs,
        )


class ShellSpout(Component):
    """A spout in another language, started as a command: it can be declared, and not run."""

    @classmethod
    def spec(
        cls,
        name: str | None = None,
        command: str | None = None,
        script: str | None = None,
        par: Any = None,
        config: Any = None,
        outputs: Any = None,
    ) -> ShellSpoutSpec:
        return ShellSpoutSpec(
            cls,
            name,
            command,
            script,
            par=par,
            config=config,
            outputs=outputs,
        )


class Spout(pystorm.Spout, ShellSpout):
    """A spout written in Python."""

    @classmethod
    def spec(  # type: ignore[override]  # the rest is decided: it is this class
        cls,
        name: str | None = None,
        par: Any = None,
        config: Any = None,
    ) -> ShellSpoutSpec:
        return ShellSpoutSpec(
            cls,
            name,
            "streamparse_run",
            f"{cls.__module__}.{cls.__name__}",
            par=par,
            config=config,
            outputs=cls.outputs,
        )


class ReliableSpout(pystorm.ReliableSpout, Spout):
    """pystorm's, with a spec."""
