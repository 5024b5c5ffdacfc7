"""``topology_spec``: from whatever an author wrote to one checked, immutable ``TopologySpec``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from typhoon.errors import InvalidConfigError, InvalidTopologyError
from typhoon.topology._builder import TopologyBuilder
from typhoon.topology._check_function import check_function
from typhoon.topology._declaration import Blueprint, Declaration
from typhoon.topology._function_bolt import FunctionBolt
from typhoon.topology._mistakes import Mistakes
from typhoon.topology._spec import ComponentSpec, Subscription, TopologySpec
from typhoon.topology._stream import Grouping, Stream
from typhoon.topology._topology import Chain, Topology, read_topology
from typhoon.topology._validate import (
    check_component,
    check_coroutines,
    check_count,
    check_flag,
    check_id,
    check_on_error,
    check_worker_hooks,
)
from typhoon.topology._wiring import Wiring, output_streams
from typhoon.topology.native import NativeComponent

TICKS = "topology.tick.tuple.freq.secs"
TASKS = "topology.tasks"
MAX_PARALLELISM = "topology.max.task.parallelism"


def topology_spec(
    topology: Any,
    environment: str | None = None,
    config: Mapping[str, Any] | None = None,
    *,
    under: Mapping[str, Any] | None = None,
) -> TopologySpec:
    """What ``topology`` is: a Topology class or object, a builder, or a spec already.

    ``environment`` chooses among the parallelisms of a component that has one per environment.
    ``config`` is put over the topology's own, as ``submit`` and the command line do; ``under`` goes
    below it, as what a file says. Raises one ``InvalidTopologyError`` that lists every mistake;
    configuration values are not checked here.
    """
    layers = (_layer(under), _layer(config))
    if isinstance(topology, TopologySpec):
        merged = {**layers[0], **topology.config, **layers[1]}
        return replace(topology, config=merged)
    return _Resolution(_blueprint(topology), environment, layers).spec()


def _layer(config: Any) -> Mapping[str, Any]:
    if config is None or isinstance(config, Mapping):
        return config or {}
    from typhoon.config import no_mapping  # the registry is loaded when there is work for it

    raise InvalidConfigError([no_mapping(config)])


def _blueprint(topology: Any) -> Blueprint:
    if isinstance(topology, TopologyBuilder | Chain):
        return topology.blueprint()
    if isinstance(topology, Topology) or _is_topology_class(topology):
        return read_topology(topology)
    raise InvalidTopologyError(
        [f"{topology!r} is no topology\nhint: give a Topology class or object, a builder or a spec"]
    )


def _is_topology_class(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, Topology)


class _Resolution:
    """One run over a blueprint: looks at everything, notes mistakes, gives up only at the end."""

    def __init__(
        self,
        blueprint: Blueprint,
        environment: str | None,
        layers: tuple[Mapping[str, Any], Mapping[str, Any]],
    ) -> None:
        self._blueprint = blueprint
        self._environment = environment
        self._mistakes = Mistakes()
        own = self._mapping("config", blueprint.config)
        self._config = {**layers[0], **own, **layers[1]}

    def spec(self) -> TopologySpec:
        """The topology, or the one exception with all that is wrong with it."""
        declared = self._declared()
        streams = {
            name: output_streams(_who(name, declaration), _outputs(declaration), self._mistakes)
            for name, declaration in declared.items()
        }
        wiring = Wiring(self._blueprint, streams, self._mistakes)
        components = {
            name: self._component(name, declaration, streams[name] or {}, wiring)
            for name, declaration in declared.items()
        }
        if all(declaration.kind != "spout" for _, declaration in self._blueprint.declarations):
            self._mistakes.add("there is no spout, so nothing would ever happen", "add a spout")
        hooks = check_worker_hooks(self._blueprint.worker_hooks, self._mistakes)
        self._mistakes.raise_any(self._blueprint.name)
        return TopologySpec(self._blueprint.name, components, self._config, hooks)

    def _declared(self) -> dict[str, Declaration]:
        """The declarations by id, without those whose id is a mistake."""
        found: dict[str, Declaration] = {}
        seen: dict[Declaration, str] = {}
        for name, declaration in self._blueprint.declarations:
            if not check_id(name, declaration.kind, self._mistakes):
                continue
            if name in found:
                self._mistakes.add(
                    f"there are two components with the id {name!r}", "ids are unique"
                )
                continue
            if declaration in seen:
                self._mistakes.add(
                    f"{seen[declaration]!r} and {name!r} are one and the same spec()",
                    "call spec() once for each component",
                )
            seen[declaration] = name
            found[name] = declaration
        return found

    def _component(
        self, name: str, declaration: Declaration, outputs: Mapping[str, Stream], wiring: Wiring
    ) -> ComponentSpec:
        component, kind = declaration.component, declaration.kind
        who = _who(name, declaration)
        own = component if check_component(who, declaration, self._mistakes) else None
        config = self._component_config(who, declaration, own)
        executors, tasks = self._parallelism(who, declaration, config)
        native = component if isinstance(component, NativeComponent) else None
        inputs: tuple[Subscription, ...] = ()
        if kind == "bolt":
            default = _default_grouping(component)
            inputs = wiring.subscriptions(name, declaration.inputs, default)
        if own is not None:
            check_function(who, component, wiring.with_fields(inputs), self._mistakes)
        on_error = _said(declaration.on_error, own, "on_error", "fail")
        threaded = check_flag(
            who, "threaded", _said(declaration.threaded, own, "threaded", False), self._mistakes
        )
        coroutines = check_coroutines(who, declaration.component_class, threaded, self._mistakes)
        return ComponentSpec(
            id=name,
            kind=kind,
            component=component,
            outputs=outputs,
            inputs=inputs,
            executors=executors,
            tasks=tasks,
            config=config,
            threaded=threaded,
            on_error=check_on_error(who, on_error, self._mistakes),
            tick_freq_secs=self._read(who, TICKS, config.get(TICKS)) or None,
            native=native.native if native else None,
            native_args=native.native_args if native else {},
            coroutines=coroutines if kind == "bolt" else None,
        )

    def _component_config(
        self, who: str, declaration: Declaration, component: Any
    ) -> dict[str, Any]:
        """What ``component``'s class says of itself, with what the declaration says over it."""
        cls = component if isinstance(component, type) else type(component)
        internal = self._mapping(f"{who}: config", getattr(cls, "config", None))
        external = self._mapping(f"{who}: config", declaration.config)
        ticks = getattr(component, "tick_freq_secs", None)
        own = {} if ticks is None else {TICKS: ticks}
        return {**own, **internal, **external}

    def _parallelism(
        self, who: str, declaration: Declaration, config: Mapping[str, Any]
    ) -> tuple[int, int]:
        """Executors and tasks; never more executors than tasks, nor more than the maximum."""
        par = declaration.par
        if par is None:
            par = getattr(declaration.component_class, "par", None)
        executors = check_count(who, "parallelism", self._in_environment(who, par), self._mistakes)
        tasks = declaration.tasks
        if tasks is None:
            tasks = config.get(TASKS, self._config.get(TASKS))
        tasks = executors if tasks is None else check_count(who, "tasks", tasks, self._mistakes)
        limit = config.get(MAX_PARALLELISM, self._config.get(MAX_PARALLELISM))
        if limit is not None:
            tasks = min(tasks, check_count(who, MAX_PARALLELISM, limit, self._mistakes))
        return min(executors, tasks), tasks

    def _in_environment(self, who: str, par: Any) -> Any:
        if not isinstance(par, Mapping):
            return 1 if par is None else par
        if self._environment in par:
            return par[self._environment]
        given = "none was named" if self._environment is None else f"not {self._environment!r}"
        self._mistakes.add(
            f"{who}: parallelism is given for the environments {list(par)}, {given}",
            f"--environment {next(iter(par), 'NAME')}",
        )
        return 1

    def _read(self, who: str, key: str, value: Any) -> Any:
        from typhoon.config import read_value  # the registry is loaded when there is work for it

        try:
            return value if value is None else read_value(key, value)
        except ValueError as error:
            self._mistakes.add(f"{who}: {error}", f"mend {key} in its config, or leave it out")
            return None

    def _mapping(self, what: str, value: Any) -> Mapping[str, Any]:
        if value is None or isinstance(value, Mapping):
            return value or {}
        self._mistakes.add(
            f"{what} is {value!r}, which is no mapping of keys to values",
            'write a dict: {"topology.debug": True}',
        )
        return {}


def _who(name: str, declaration: Declaration) -> str:
    return f"{declaration.kind} {name!r}"


def _said(declared: Any, component: Any, attribute: str, default: Any) -> Any:
    """What the declaration says, else what the component says of itself, else ``default``."""
    return getattr(component, attribute, default) if declared is None else declared


def _outputs(declaration: Declaration) -> Any:
    return getattr(declaration.component, "outputs", None)


def _default_grouping(component: Any) -> Grouping:
    if isinstance(component, NativeComponent | FunctionBolt):
        return component.default_grouping
    return Grouping.SHUFFLE
