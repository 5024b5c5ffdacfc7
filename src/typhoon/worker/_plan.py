"""From a topology and the executors that a worker is given, to the plan that the engine runs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from typhoon.config import CheckedConf, TopologyOptions, component_conf, topology_options
from typhoon.errors import InvalidTopologyError, told
from typhoon.topology import ComponentSpec, Executor, Grouping, Stream, tick_secs
from typhoon.worker._context import Context
from typhoon.worker._debug import DebugHook, warn_if_unheard
from typhoon.worker._errors import ErrorBook
from typhoon.worker._hooks import hook_classes
from typhoon.worker._layout import Layout
from typhoon.worker._shell import Shell
from typhoon.worker._surroundings import Surroundings

MOST_WORKERS = 64
"""So many a topology may have without its running workers being started anew for more."""
BYTES_PER_TUPLE = 192
"""What a queued tuple is taken to weigh, where a limit is given in bytes."""

LONGEST_STEP = 1e9
"""One tuple in so many is timed at least, if any is."""

TICK = ("__system", "__tick", ("rate_secs",))


@dataclass(frozen=True)
class Planned:
    """An executor as planned: ``number`` is its own in the worker; native ones have no shell."""

    number: int
    spec: ComponentSpec
    executor: Executor
    shell: Shell | None
    tick: float | None


@dataclass(frozen=True)
class EnginePlan:
    """What the engine is made from, and which executor is which in it.

    ``coroutine_line`` is the line whose bolts are coroutines: an event loop drives it. ``streams``
    has (component, stream) by number.
    """

    content: dict[str, Any]
    executors: tuple[Planned, ...]
    coroutine_line: int | None
    streams: tuple[tuple[str, str], ...]

    @property
    def spouts(self) -> list[Planned]:
        return [planned for planned in self.executors if planned.spec.kind == "spout"]

    def of(self, component: str) -> list[Planned]:
        return [planned for planned in self.executors if planned.spec.id == component]


class Planner:
    """Makes one ``EnginePlan``; ``stop`` and the error books are what its shells report to.

    ``on_open`` is called by each line that begins to process.
    """

    def __init__(
        self,
        around: Surroundings,
        options: TopologyOptions,
        books: Mapping[str, ErrorBook],
        stop: Any,
        layout: Layout,
        on_open: Callable[[], None],
    ) -> None:
        self.around = around
        self.options = options
        self.books = books
        self.stop = stop
        self.layout = layout
        self.on_open = on_open
        components = around.spec.components.values()
        self.streams = [(one.id, name) for one in components for name in one.streams]
        self.confs = {one.id: _conf_of(one, around.conf) for one in components}
        self.hooks = hook_classes(options.auto_task_hooks)
        if any(conf["topology.debug"] for conf in self.confs.values()):
            warn_if_unheard()
        self.ticks = {one.id: self._tick(one) for one in components}

    def plan(self, *, active: bool) -> EnginePlan:
        order = {name: place for place, name in enumerate(self.around.spec.topological_order())}
        ordered = sorted(self.layout.mine, key=lambda one: (order[one.component], one.first))
        planned = [self._planned(number, one) for number, one in enumerate(ordered)]
        coroutines = [one for one in planned if one.spec.coroutines]
        others = [one for one in planned if not one.spec.coroutines]
        shared = [one for one in others if not self._is_threaded(one.spec)]
        lines = [shared] + [[one] for one in others if self._is_threaded(one.spec)]
        if coroutines:
            lines.append(coroutines)
        for members in lines:
            self._tell_when_open([one.shell for one in members if one.shell is not None])
        if all(one.shell is None for one in planned):
            self.on_open()
        content = {
            "options": self._options(active),
            "lines": [[self._executor(one) for one in line] for line in lines],
            "rings": self._rings(planned),
            "elsewhere": self._elsewhere(self.layout),
            "schemas": [*map(self._schema, self.streams), TICK],
        }
        line = len(lines) - 1 if coroutines else None
        return EnginePlan(content, tuple(planned), line, tuple(self.streams))

    def _tell_when_open(self, shells: Sequence[Shell]) -> None:
        """A line begins to process when all of its executors are initialized."""
        left = count(len(shells) - 1, -1)

        def is_open() -> None:
            if next(left) == 0:
                self.on_open()

        for shell in shells:
            shell.on_open = is_open

    def _is_threaded(self, spec: ComponentSpec) -> bool:
        return spec.threaded or self.options.executor_threads == "all"

    def _planned(self, number: int, executor: Executor) -> Planned:
        spec = self.around.spec.components[executor.component]
        conf = self.confs[spec.id]
        shell = None
        if spec.native is None:
            shared: dict[Any, Any] = {}
            contexts = [Context(self.around, task, spec.id, shared) for task in executor.tasks]
            hooks = [*([DebugHook] if conf["topology.debug"] else []), *self.hooks]
            blameless = self.around.blameless
            shell = Shell(spec, conf, contexts, self.books[spec.id], self.stop, hooks, blameless)
        return Planned(number, spec, executor, shell, self.ticks[spec.id])

    def _tick(self, spec: ComponentSpec) -> float | None:
        if spec.kind == "spout":
            return None
        configured = spec.tick_freq_secs or topology_options(self.confs[spec.id]).tick_freq_s
        return tick_secs(spec.component, spec.id, configured)

    def _options(self, active: bool) -> dict[str, Any]:
        options = self.options
        return {
            "worker": self.layout.index,
            "incarnation": self.layout.incarnation,
            "workers": MOST_WORKERS if self.layout.linked else 0,
            "acking": options.acking,
            "active": active,
            "message_timeout": (
                options.message_timeout_s if options.enable_message_timeouts else None
            ),
            "pickle": options.fall_back_on_pickle,
            "load_aware": not options.disable_loadaware,
            "high_water": options.receive_buffer_size,
            "hard_limit": max(1, options.outbox_hard_limit_bytes // BYTES_PER_TUPLE),
            "max_replays": options.max_replays,
            "poll": (options.spout_wait_park_us / 1e6, options.spout_wait_sleep_ms / 1e3),
            "timed_every": (
                round(min(1 / rate, LONGEST_STEP)) if (rate := options.stats_sample_rate) else 0
            ),
        }

    def _schema(self, stream: tuple[str, str]) -> tuple[str, str, tuple[str, ...]]:
        component, name = stream
        return component, name, self.around.spec.components[component].streams[name].fields

    def _rings(self, planned: Sequence[Planned]) -> list[list[int]]:
        """By number, members elsewhere by that which they would have as their executor's first."""
        mine = {task for one in planned for task in one.executor.tasks}
        return [
            [one.number for one in planned if one.spec.id in cycle]
            + [
                len(planned) + task
                for name in cycle
                for task in self.around.plan.tasks[name]
                if task not in mine
            ]
            for cycle in self.around.spec.cycles()
        ]

    def _executor(self, planned: Planned) -> dict[str, Any]:
        spec = planned.spec
        pending = topology_options(self.confs[spec.id]).max_spout_pending
        return {
            "number": planned.number,
            "component": spec.id,
            "spout": spec.kind == "spout",
            "tasks": [
                {"id": task, "outlets": self._outlets(spec, task)}
                for task in planned.executor.tasks
            ],
            "max_pending": pending if self.options.acking else None,
            "tick": planned.tick,
            "in_flight": None if spec.coroutines is None else spec.coroutines.max_in_flight,
            "shell": planned.shell,
            "native": None if spec.native is None else (spec.native, self._native_args(spec)),
        }

    def _native_args(self, spec: ComponentSpec) -> dict[str, Any]:
        """The arguments with a field's name replaced by its position in the (first) input."""
        args = dict(spec.native_args)
        for name in ("field", "by"):
            field = args.pop(name, None)
            if isinstance(field, str) and spec.inputs:
                first = spec.inputs[0]
                fields = self.around.spec.components[first.component].streams[first.stream].fields
                field = fields.index(field)
            if field is not None:
                args["field"] = field
        return args

    def _outlets(self, spec: ComponentSpec, task: int) -> list[dict[str, Any]]:
        return [
            {
                "number": self.streams.index((spec.id, name)),
                "name": name,
                "fields": list(stream.fields),
                "direct": stream.direct,
                "routes": self._routes(spec.id, name, stream, task),
            }
            for name, stream in spec.streams.items()
        ]

    def _routes(self, component: str, name: str, stream: Stream, task: int) -> list[dict[str, Any]]:
        return [
            self._route(stream, bolt, one.grouping, Context(self.around, task, component))
            for bolt, one in self.around.spec.subscribers(component)
            if one.stream == name
        ]

    def _route(
        self, stream: Stream, bolt: str, grouping: Grouping, context: Context
    ) -> dict[str, Any]:
        targets, near = self._targets(context.component_id, bolt, grouping, self.layout)
        chooser = None
        if grouping.kind == "custom":
            chooser = _copied(grouping.object, bolt)
            chooser.prepare(context, stream, list(targets))
        return {
            "grouping": grouping.kind,
            "positions": [stream.fields.index(field) for field in grouping.names],
            "targets": targets,
            "near": near,
            "object": chooser,
        }

    def relayout(self, planned: Sequence[Planned], layout: Layout) -> tuple[list[Any], list[Any]]:
        """What ``Engine.relayout`` wants where this worker's executors stay as they are."""
        routes = [
            [
                [
                    [
                        self._targets(one.spec.id, bolt, subscription.grouping, layout)
                        for bolt, subscription in self.around.spec.subscribers(one.spec.id)
                        if subscription.stream == name
                    ]
                    for name in one.spec.streams
                ]
                for _ in one.executor.tasks
            ]
            for one in planned
        ]
        return self._elsewhere(layout), routes

    def _elsewhere(self, layout: Layout) -> list[tuple[int, list[int]]]:
        return [(index, list(executor.tasks)) for index, executor in layout.elsewhere()]

    def _targets(
        self, component: str, bolt: str, grouping: Grouping, layout: Layout
    ) -> tuple[list[int], int]:
        """Who may get a tuple, the near ones first, and how many those are."""
        targets = list(self.around.plan.tasks[bolt])
        near: list[int] = []
        if layout.linked:
            if grouping.kind == "shuffle" and not self.options.disable_loadaware:
                near = layout.near(self.around.plan.tasks[component], targets)
            elif grouping.kind == "local_or_shuffle":
                near = [task for task in targets if layout.tasks[task] == layout.index]
        return [*near, *(task for task in targets if task not in near)], len(near)


def _copied(chooser: Any, bolt: str) -> Any:
    try:
        return copy.deepcopy(chooser)
    except Exception as error:
        mistake = (
            f"bolt '{bolt}': its custom grouping, a {type(chooser).__name__}, cannot be copied "
            f"for each task that emits to it: {told(error)}\n"
            "hint: open locks and connections in prepare(), not in __init__"
        )
        raise InvalidTopologyError([mistake]) from error


def _conf_of(spec: ComponentSpec, conf: Mapping[str, Any]) -> Mapping[str, Any]:
    checked: CheckedConf = component_conf(conf, spec.config, f"{spec.kind} '{spec.id}'")
    return checked.values
