"""From a streamparse spec to what typhoon makes of it."""

from __future__ import annotations

import json
from typing import Any

from typhoon.compat._hosts import BatchingHost, BoltHost, SpoutHost
from typhoon.compat._refused import JavaGrouping, RefusedBolt, RefusedSpout
from typhoon.compat.pystorm import BatchingBolt, Bolt, Spout
from typhoon.compat.streamparse.dsl.component import ComponentSpec, JavaComponentSpec
from typhoon.compat.streamparse.thrift import Grouping as ThriftGrouping
from typhoon.topology import Declaration, Grouping, Input, Stream


def declare(spec: ComponentSpec) -> Declaration:
    """``spec`` as typhoon's ``spec()`` would have returned it.

    Each executor is a thread, since its code was written for a process of its own.
    """
    cls = spec.component_cls
    kind, component = _component(spec)
    return Declaration(
        kind,
        component,
        name=spec.name,
        inputs=[
            Input(stream.componentId, stream.streamId, _grouping(grouping))
            for stream, grouping in spec.inputs.items()
        ],
        par=spec.par,
        config=json.loads(spec.config),
        threaded=True,
        on_error="exit" if getattr(cls, "exit_on_exception", True) else "fail",
    )


def _component(spec: ComponentSpec) -> tuple[Any, Any]:
    cls = spec.component_cls
    outputs = [
        Stream(info.output_fields or [], name, bool(info.direct))
        for name, info in spec.outputs.items()
    ]
    if issubclass(cls, Spout):
        return "spout", SpoutHost(cls, outputs)
    if issubclass(cls, BatchingBolt):
        return "bolt", BatchingHost(cls, outputs)
    if issubclass(cls, Bolt):
        return "bolt", BoltHost(cls, outputs)
    what = "Java" if isinstance(spec, JavaComponentSpec) else "shell"
    if "Bolt" in type(spec).__name__:
        return "bolt", RefusedBolt(what, outputs)
    return "spout", RefusedSpout(what, outputs)


def _grouping(grouping: ThriftGrouping) -> Grouping:
    if grouping.fields is not None:
        return Grouping.fields(*grouping.fields) if grouping.fields else Grouping.GLOBAL
    if grouping.custom_object is not None:
        return Grouping.custom(JavaGrouping(str(grouping.custom_object.full_class_name)))
    if grouping.custom_serialized is not None:
        return Grouping.custom(JavaGrouping("a serialized object"))
    kinds = {
        "all": Grouping.ALL,
        "none": Grouping.NONE,
        "direct": Grouping.DIRECT,
        "local_or_shuffle": Grouping.LOCAL_OR_SHUFFLE,
    }
    said = (name for name in kinds if getattr(grouping, name) is not None)
    return kinds.get(next(said, ""), Grouping.SHUFFLE)
