"""What an author said about one component, before anybody checked it.

``spec(...)`` and the builder make ``Declaration``s; ``topology_spec`` turns those of a topology
into ``ComponentSpec``s, or lists what is wrong with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typhoon.topology._spec import ComponentKind


class Declaration:
    """What ``spec(...)`` returns: it stands for the component wherever another takes from it.

    As an input it means the component's default stream, ``declaration["errors"]`` means the stream
    of that name. Everything is kept as it was given. Two declarations are never equal.
    """

    __slots__ = (
        "component",
        "config",
        "in_chain",
        "inputs",
        "kind",
        "name",
        "on_error",
        "par",
        "tasks",
        "threaded",
    )

    def __init__(
        self,
        kind: ComponentKind,
        component: Any,
        *,
        name: Any = None,
        inputs: Any = None,
        par: Any = None,
        config: Any = None,
        threaded: Any = None,
        on_error: Any = None,
        tasks: Any = None,
        in_chain: bool = False,
    ) -> None:
        self.kind: ComponentKind = kind
        self.component = component
        self.name = name
        self.inputs = inputs
        self.par = par
        self.config = config
        self.threaded = threaded
        self.on_error = on_error
        self.tasks = tasks
        self.in_chain = in_chain

    @property
    def component_class(self) -> type:
        """The class of what each task gets an instance of."""
        return self.component if isinstance(self.component, type) else type(self.component)

    # Without this, Python would take __getitem__ for a sequence's and iterate for ever.
    __iter__ = None

    def __getitem__(self, stream: str) -> StreamOf:
        return StreamOf(self, stream)

    def __repr__(self) -> str:
        return f"{self.component_class.__name__}.spec(...)"


class StreamOf(NamedTuple):
    """One stream of a declared component, as an input: what ``declaration["errors"]`` gives."""

    declaration: Declaration
    stream: str


class Input(NamedTuple):
    """One input of a bolt as the builder keeps it: nothing about it has been looked up."""

    component: Any
    stream: Any
    grouping: Any


class Blueprint(NamedTuple):
    """A topology as its author described it, the same for all styles of writing.

    ``declarations`` are pairs of an id and a declaration, in order; an id that was declared twice
    stands there twice. ``ids`` says which component each declaration that an input may name stands
    for, also those that a subclass has replaced. ``worker_hooks`` is what each worker starts.
    """

    name: str | None
    config: Any
    declarations: list[tuple[Any, Declaration]]
    ids: dict[Declaration, Any]
    worker_hooks: Any = ()
