"""``Frozen``: small immutable values, for what is loaded with ``import typhoon``.

Everywhere else such a class is a frozen dataclass; loading ``dataclasses`` costs 9 ms, which is
most of what an import of typhoon may cost.
"""

from __future__ import annotations

from typing import Any, ClassVar


class Frozen:
    """A value made of its slots: equal, hashed, shown and pickled by them, and never changed.

    A subclass names its slots in the order of its constructor's arguments, and sets them there by
    ``self._set(...)``.
    """

    __slots__: ClassVar[tuple[str, ...]] = ()

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), *self._values()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._values()

    def __repr__(self) -> str:
        pairs = zip(self.__slots__, self._values(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in pairs)})"
