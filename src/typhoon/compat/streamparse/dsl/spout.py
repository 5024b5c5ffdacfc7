"""What ``streamparse.dsl.spout`` has."""

from __future__ import annotations

from typing import Any

from typhoon.compat.streamparse.dsl.component import JavaComponentSpec, ShellComponentSpec


class ShellSpoutSpec(ShellComponentSpec):
    """A spout that is started as a command, or written in Python."""

    def __init__(
        self,
        component_cls: Any,
        name: str | None = None,
        command: str | None = None,
        script: str | None = None,
        par: Any = 1,
        config: Any = None,
        outputs: Any = None,
    ) -> None:
        super().__init__(
            component_cls,
            name,
            command,
            script,
            par=par,
            config=config,
            outputs=outputs,
        )


class JavaSpoutSpec(JavaComponentSpec):
    """A spout of the JVM's."""

    def __init__(
        self,
        component_cls: Any,
        name: str | None = None,
        serialized_java: bytes | None = None,
        full_class_name: str | None = None,
        args_list: list[Any] | None = None,
        par: Any = 1,
        config: Any = None,
        outputs: Any = None,
    ) -> None:
        super().__init__(
            component_cls,
            name,
            serialized_java,
            full_class_name,
            args_list,
            par=par,
            config=config,
            outputs=outputs,
        )
