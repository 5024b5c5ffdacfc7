"""What ``streamparse.storm.bolt`` has: pystorm's bolts, with a spec."""

from __future__ import annotations

from typing import Any

from typhoon.compat import pystorm
from typhoon.compat.streamparse.dsl.bolt import JavaBoltSpec, ShellBoltSpec
from typhoon.compat.streamparse.storm.component import Component

__all__ = ["BatchingBolt", "Bolt", "Component", "JavaBolt", "ShellBolt", "TicklessBatchingBolt"]


class JavaBolt(Component):
    """A bolt of the JVM's: it can be declared, and not run."""

    @classmethod
    def spec(
        cls,
        name: str | None = None,
        serialized_java: bytes | None = None,
        full_class_name: str | None = None,
        args_list: list[Any] | None = None,
        inputs: Any = None,
        par: Any = 1,
        config: Any = None,
        outputs: Any = None,
    ) -> JavaBoltSpec:
        return JavaBoltSpec(
            cls,
            name,
            serialized_java,
            full_class_name,
            args_list,
            inputs=inputs,
            par=par,
            config=config,
            outputs=outputs,
        )


class ShellBolt(Component):
    """A bolt in another language, started as a command: it can be declared, and not run."""

    @classmethod
    def spec(
        cls,
        name: str | None = None,
        command: str | None = None,
        script: str | None = None,
        inputs: Any = None,
        par: Any = None,
        config: Any = None,
        outputs: Any = None,
    ) -> ShellBoltSpec:
        return ShellBoltSpec(
            cls,
            name,
            command,
            script,
            inputs=inputs,
            par=par,
            config=config,
            outputs=outputs,
        )


class Bolt(pystorm.Bolt, ShellBolt):
    """A bolt written in Python."""

    @classmethod
    def spec(  # type: ignore[override]  # the rest is decided: it is this class
        cls,
        name: str | None = None,
        inputs: Any = None,
        par: Any = None,
        config: Any = None,
    ) -> ShellBoltSpec:
        return ShellBoltSpec(
            cls,
            name,
            "streamparse_run",
            f"{cls.__module__}.{cls.__name__}",
            inputs=inputs,
            par=par,
            config=config,
            outputs=cls.outputs,
        )


class BatchingBolt(pystorm.BatchingBolt, Bolt):
    """pystorm's, with a spec."""


class TicklessBatchingBolt(pystorm.TicklessBatchingBolt, BatchingBolt):
    """pystorm's, with a spec."""
