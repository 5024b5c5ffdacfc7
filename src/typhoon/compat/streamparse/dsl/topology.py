"""What ``streamparse.dsl.topology`` has: a class whose attributes are the components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typhoon.compat import pystorm
from typhoon.compat._declare import declare
from typhoon.compat.streamparse.dsl.bolt import JavaBoltSpec, ShellBoltSpec
from typhoon.compat.streamparse.dsl.component import ComponentSpec
from typhoon.compat.streamparse.dsl.spout import JavaSpoutSpec, ShellSpoutSpec
from typhoon.compat.streamparse.thrift import GlobalStreamId
from typhoon.topology import Topology as OurTopology

DECLARED = "_typhoon_"
"""What the attributes begin with that hold what typhoon reads."""


class TopologyType(type):
    """Looks at a topology when its class is made, and raises for the first mistake in it.

    A component belongs to the class that assigns it, and not to the classes derived from that.
    """

    specs: list[ComponentSpec]

    def __new__(mcs, classname: str, bases: tuple[type, ...], class_dict: dict[str, Any]) -> Any:
        specs = _by_name(class_dict)
        for spec in specs.values():
            _name_inputs(spec)
        bolts = _of(specs, JavaBoltSpec, ShellBoltSpec)
        spouts = _of(specs, JavaSpoutSpec, ShellSpoutSpec)
        _check(classname, specs, bolts, spouts)
        if not isinstance(class_dict.setdefault("config", {}), dict):
            raise TypeError(f"{classname}.config is {class_dict['config']!r}, which is no dict")
        hidden = {name: None for base in bases for name in dir(base) if name.startswith(DECLARED)}
        read_by_us = {DECLARED + name: declare(spec) for name, spec in specs.items()}
        kept = {"thrift_bolts": bolts, "thrift_spouts": spouts, "specs": list(specs.values())}
        return super().__new__(
            mcs, classname, bases, {**class_dict, **kept, **hidden, **read_by_us}
        )

    def __repr__(cls) -> str:
        return f"<topology {cls.__name__} of {[spec.name for spec in cls.specs]}>"


def _by_name(class_dict: Mapping[str, Any]) -> dict[str, ComponentSpec]:
    """The specs of a class, each with a name: the one it was given, or its attribute's."""
    specs: dict[str, ComponentSpec] = {}
    for attribute, value in class_dict.items():
        if isinstance(value, pystorm.Component):
            kind = type(value).__name__
            raise TypeError(f"{attribute} is a {kind} itself: write {attribute} = {kind}.spec()")
        if not isinstance(value, ComponentSpec):
            continue
        value.name = value.name or attribute
        if value.name in specs:
            raise ValueError(f"there are two components with the name {value.name!r}")
        specs[value.name] = value
    return specs


def _name_inputs(spec: ComponentSpec) -> None:
    """An input knows its component by name from now on; a changed key needs a new place."""
    named = [(_named(stream), grouping) for stream, grouping in spec.inputs.items()]
    spec.inputs.clear()
    spec.inputs.update(named)


def _named(stream: GlobalStreamId) -> GlobalStreamId:
    source = stream.componentId
    if source is None:
        raise TypeError("an input names no component: its componentId is None")
    if isinstance(source, ComponentSpec):
        stream.componentId = source.name
    return stream


def _of(specs: Mapping[str, ComponentSpec], *kinds: type) -> dict[str, ComponentSpec]:
    return {name: spec for name, spec in specs.items() if isinstance(spec, kinds)}


def _check(
    classname: str,
    specs: Mapping[str, ComponentSpec],
    bolts: Mapping[str, ComponentSpec],
    spouts: Mapping[str, ComponentSpec],
) -> None:
    for name, spec in specs.items():
        if name not in bolts and name not in spouts:
            raise TypeError(f"{name} is the spec of neither a bolt nor a spout: {spec!r}")
        who = f"{spec.component_cls.__name__} {name!r}"
        if name in bolts and not spec.inputs:
            raise ValueError(f"{who} is a bolt without inputs, so it would never be called")
        if name in spouts and not spec.outputs:
            raise ValueError(f"{who} is a spout without outputs, so nobody could take from it")
        _check_fields(who, spec, specs)
    if not spouts and classname != "Topology":
        raise ValueError(f"{classname} has no spout, so nothing would ever happen")


def _check_fields(who: str, spec: ComponentSpec, specs: Mapping[str, ComponentSpec]) -> None:
    """KeyError for an input that no component or stream of this class has."""
    for stream, grouping in spec.inputs.items():
        known = specs[stream.componentId].outputs[str(stream.streamId)].output_fields or []
        for field in grouping.fields or ():
            if field not in known:
                raise ValueError(
                    f"{who} groups by field {field!r}, but {stream.componentId!r} emits {known} on "
                    f"stream {stream.streamId!r}"
                )


class Topology(OurTopology, metaclass=TopologyType):
    """The base of the topologies that streamparse's users write."""
