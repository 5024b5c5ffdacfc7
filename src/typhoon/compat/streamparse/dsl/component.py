"""What ``streamparse.dsl.component`` has: what a topology says of one component."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from typhoon.compat.streamparse.dsl.stream import Grouping, Stream
from typhoon.compat.streamparse.dsl.util import to_java_arg
from typhoon.compat.streamparse.thrift import (
    ComponentCommon,
    ComponentObject,
    GlobalStreamId,
    JavaObject,
    ShellComponent,
    StreamInfo,
)
from typhoon.compat.streamparse.thrift import Grouping as ThriftGrouping


class ComponentSpec:
    """The inputs, outputs, parallelism and configuration of a component, checked when it is made.

    ``config`` is JSON, ``outputs`` maps a stream's name to its ``StreamInfo``, ``inputs`` a
    ``GlobalStreamId`` to a grouping.
    """

    def __init__(
        self,
        component_cls: Any,
        name: str | None = None,
        inputs: Any = None,
        par: Any = 1,
        config: Any = None,
        outputs: Any = None,
    ) -> None:
        self.component_cls = component_cls
        self.name = name
        self.par = _par(component_cls.par if par is None else par)
        self.config = _config(component_cls.config if config is None else config)
        self.outputs = _outputs(component_cls.outputs if outputs is None else outputs)
        self.inputs = _inputs(inputs)
        self.common = ComponentCommon(
            inputs=self.inputs,
            streams=self.outputs,
            parallelism_hint=self.par,
            json_conf=self.config,
        )

    def __getitem__(self, stream: str) -> GlobalStreamId:
        if stream not in self.outputs:
            raise KeyError(f"{self.name} has no stream {stream!r}, only {list(self.outputs)}")
        return GlobalStreamId(componentId=self.name or self, streamId=stream)

    # Without this, Python would take __getitem__ for a sequence's and iterate for ever.
    __iter__ = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.component_cls.__name__}, name={self.name!r})"


class JavaComponentSpec(ComponentSpec):
    """A component of the JVM's: it can be declared, and not run."""

    def __init__(
        self,
        component_cls: Any,
        name: str | None = None,
        serialized_java: bytes | None = None,
        full_class_name: str | None = None,
        args_list: list[Any] | None = None,
        inputs: Any = None,
        par: Any = None,
        config: Any = None,
        outputs: Any = None,
    ) -> None:
        super().__init__(component_cls, name, inputs, par, config, outputs)
        if serialized_java is not None:
            if not isinstance(serialized_java, bytes):
                raise TypeError(f"serialized_java is bytes or None, not {serialized_java!r}")
            self.component_object = ComponentObject(serialized_java=serialized_java)
            return
        if not full_class_name:
            raise ValueError("a Java component needs full_class_name or serialized_java")
        if args_list is None:
            raise TypeError("a Java component needs args_list; [] is none")
        args = [to_java_arg(arg) for arg in args_list]
        java = JavaObject(full_class_name=full_class_name, args_list=args)
        self.component_object = ComponentObject(java_object=java)


class ShellComponentSpec(ComponentSpec):
    """A component that Storm would start as a command; those written in Python are of this kind."""

    def __init__(
        self,
        component_cls: Any,
        name: str | None = None,
        command: str | None = None,
        script: str | None = None,
        inputs: Any = None,
        par: Any = 1,
        config: Any = None,
        outputs: Any = None,
    ) -> None:
        super().__init__(component_cls, name, inputs, par, config, outputs)
        if not command:
            raise ValueError("a shell component needs a command")
        if script is None:
            raise TypeError("a shell component needs a script; '' is none")
        shell = ShellComponent(execution_command=command, script=script)
        self.component_object = ComponentObject(shell=shell)


def _par(par: Any) -> Any:
    """A parallelism, or one for each environment."""
    hints = par if isinstance(par, dict) else {"": par}
    for environment, hint in hints.items():
        where = f" in the environment {environment!r}" if environment != "" else ""
        text = f"par{where} is a whole number greater than 0, not {hint!r}"
        if not isinstance(environment, str) or not isinstance(hint, int):
            raise TypeError(text)
        if hint < 1:
            raise ValueError(text)
    return par


def _config(config: Any) -> str:
    if config is not None and not isinstance(config, dict):
        raise TypeError(f"the config of a component is a dict or None, not {config!r}")
    return json.dumps(config or {})


def _outputs(outputs: Any) -> dict[str, StreamInfo]:
    if not isinstance(outputs, list | tuple | None):
        raise TypeError(f"outputs is a list of field names and Streams, not {outputs!r}")
    streams: dict[str, StreamInfo] = {}
    for output in outputs or ():
        if isinstance(output, Stream):
            streams[output.name] = StreamInfo(output_fields=output.fields, direct=output.direct)
        elif isinstance(output, str):
            default = streams.setdefault("default", StreamInfo(output_fields=[], direct=False))
            default.output_fields = [*(default.output_fields or ()), output]
        else:
            raise TypeError(f"outputs has {output!r}, neither a field name nor a Stream")
    return streams


def _inputs(inputs: Any) -> dict[GlobalStreamId, ThriftGrouping]:
    if isinstance(inputs, Mapping):
        return dict(_grouped(source, grouping) for source, grouping in inputs.items())
    if isinstance(inputs, ComponentSpec):
        inputs = [inputs]
    if inputs is not None and not isinstance(inputs, list | tuple):
        raise TypeError(f"inputs is a list or dict of specs and streams, not {inputs!r}")
    return dict(map(_shuffled, inputs or ()))


def _grouped(source: Any, grouping: Any) -> tuple[GlobalStreamId, ThriftGrouping]:
    if not isinstance(source, GlobalStreamId | ComponentSpec) or not isinstance(
        grouping, ThriftGrouping
    ):
        raise TypeError(
            "a dict of inputs has specs or their streams as keys and groupings as values, not "
            f"{source!r}: {grouping!r}"
        )
    return source["default"] if isinstance(source, ComponentSpec) else source, grouping


def _shuffled(source: Any) -> tuple[GlobalStreamId, ThriftGrouping]:
    if isinstance(source, GlobalStreamId):
        return source, Grouping.SHUFFLE
    if not isinstance(source, ComponentSpec):
        raise TypeError(f"an input is a spec or one of its streams, not {source!r}")
    default = source.outputs.get("default")
    direct = default is not None and default.direct
    stream = GlobalStreamId(componentId=source.name or source, streamId="default")
    return stream, Grouping.DIRECT if direct else Grouping.SHUFFLE
