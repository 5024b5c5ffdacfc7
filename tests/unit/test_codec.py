"""What goes in comes out, of the same types; what cannot says so; broken bytes break nothing."""

import copy
import datetime as dt
import decimal
import enum
import functools
import math
import os
import random
import runpy
import struct
import subprocess
import sys
import threading
import tracemalloc
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import msgpack
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from typhoon import CodecError, CorruptDataError, register_type
from typhoon._core import decode_values, encode_values, time_codec

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "fuzz_codec.py"
FUZZ = runpy.run_path(str(SCRIPT))


def trip(value: Any, pickle: bool = False) -> Any:
    (there,) = decode_values(encode_values((value,), pickle), pickle)
    return there


def same(a: Any, b: Any) -> bool:
    """Equal and of equal types, all the way down; NaN is NaN, and 0.0 is not -0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, (list, tuple, deque)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, (set, frozenset)):
        return same(sorted(a, key=repr), sorted(b, key=repr))
    if isinstance(a, (dt.datetime, dt.time)):
        return repr(a) == repr(b) and a.fold == b.fold and same(a.tzinfo, b.tzinfo)
    if isinstance(a, decimal.Decimal):
        return a.as_tuple() == b.as_tuple()
    if isinstance(a, uuid.UUID):
        return a == b and a.is_safe is b.is_safe
    if isinstance(a, memoryview):
        return a == b and a.readonly == b.readonly
    return a == b


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=5),
            st.lists(inner, max_size=5).map(tuple),
            st.dictionaries(st.text(max_size=5), inner, max_size=5),
            st.dictionaries(keys, inner, max_size=5),
            st.sets(keys, max_size=5),
            st.frozensets(keys, max_size=5),
        ),
        max_leaves=20,
    )


offsets = st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)).map(dt.timezone)
zones = st.one_of(
    offsets,
    st.builds(dt.timezone, st.just(dt.timedelta(hours=1)), st.text(max_size=4)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]).map(zoneinfo.ZoneInfo),
)
texts = st.text(st.characters(exclude_categories=[]), max_size=40)
keys = st.one_of(
    st.none(),
    st.integers(),
    st.binary(max_size=5),
    texts,
    st.dates(),
    st.tuples(st.integers(), st.text(max_size=3)),
)
plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=50),
    st.binary(max_size=50),
)
leaves = st.one_of(
    plain,
    texts,
    st.integers(),
    st.integers(-(2**300), 2**300),
    st.complex_numbers(),
    st.binary(max_size=40).map(bytearray),
    st.binary(max_size=40).map(memoryview),
    st.binary(max_size=40).map(bytearray).map(memoryview),
    st.datetimes(timezones=st.none() | zones, allow_imaginary=True),
    st.dates(),
    st.times(timezones=st.none() | offsets),
    st.timedeltas(),
    zones,
    st.decimals(),
    st.sampled_from(["sNaN", "-NaN12", "-0", "0E-7", "1E+400", "Infinity"]).map(decimal.Decimal),
    st.uuids(),
    st.builds(uuid.UUID, int=st.just(7), is_safe=st.sampled_from(uuid.SafeUUID)),
)
rows = st.lists(nested(leaves), max_size=6).map(tuple)


@settings(max_examples=200)
@given(rows)
def test_what_goes_in_comes_out(values: tuple[Any, ...]) -> None:
    assert same(decode_values(encode_values(values, pickle=False), pickle=False), values)


EDGES: list[Any] = [
    *(sign * 2**bits + more for bits in range(66) for sign in (-1, 1) for more in (-1, 0, 1)),
    *("x" * length for length in [*range(40), 255, 256, 65535, 65536]),
    *(b"x" * length for length in [0, 255, 256, 65535, 65536]),
    *([None] * length for length in [15, 16, 65535, 65536]),
    *((None,) * length for length in [15, 16, 250, 251, 252, 253, 254, 65536]),
    {str(number): number for number in range(70000)},
    dict.fromkeys(range(16)),
    math.nan,
    -math.nan,
    -0.0,
    5e-324,
    struct.unpack("d", b"\1\2\3\4\5\6\xf0\x7f")[0],  # a NaN that says something
    complex(-0.0, math.nan),
    "\ud800",
    "é" * 200,
    "\U0001f40d",
    dt.datetime(1, 1, 1, 0, 0, 0, 1),  # noqa: DTZ001 - a naive one
    dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    dt.time(23, 59, 59, 999999, fold=1),
    dt.timedelta.max,
    dt.timedelta.min,
    uuid.uuid1(),
]


def test_edges_come_out_as_they_went_in() -> None:
    wrong = [repr(value)[:40] for value in EDGES if not same(trip(value), value)]
    assert not wrong


def test_a_zone_is_the_same_object_where_python_has_one() -> None:
    assert trip(dt.UTC) is dt.UTC
    assert trip(zoneinfo.ZoneInfo("Europe/Berlin")) is zoneinfo.ZoneInfo("Europe/Berlin")
    alone = zoneinfo.ZoneInfo.no_cache("Europe/Berlin")
    assert trip(alone, pickle=True).key == "Europe/Berlin"
    with pytest.raises(CodecError, match=r"zoneinfo\.ZoneInfo"):
        trip(alone)


# Other implementations ----------------------------------------------------------------------------


plain_rows = st.lists(
    st.recursive(
        plain,
        lambda inner: (
            st.lists(inner, max_size=17) | st.dictionaries(st.text(max_size=9), inner, max_size=17)
        ),
        max_leaves=30,
    ),
    max_size=20,
)


@settings(max_examples=100)
@given(plain_rows)
def test_plain_values_are_messagepack_to_the_byte(values: list[Any]) -> None:
    data = encode_values(tuple(values))
    assert data == msgpack.packb(values)
    assert same(msgpack.unpackb(data, strict_map_key=False), values)
    assert same(decode_values(msgpack.packb(values)), tuple(values))


def test_the_wide_forms_of_others_are_read() -> None:
    forms = b"\xca\x3f\xc0\0\0" + b"\xcf" + b"\0" * 7 + b"\7" + b"\xd9\1x" + b"\xdd\0\0\0\1\xc0"
    assert decode_values(b"\xdc\0\4" + forms) == (1.5, 7, "x", [None])


def test_the_content_of_an_extension_is_messagepack_too() -> None:
    (found,) = msgpack.unpackb(encode_values(((1, "a"),)))
    assert (found.code, msgpack.unpackb(found.data)) == (1, [1, "a"])
    assert decode_values(msgpack.packb([msgpack.ExtType(1, msgpack.packb([1, "a"]))])) == (
        (1, "a"),
    )


# numpy --------------------------------------------------------------------------------------------

GRID = np.arange(24.0).reshape(2, 3, 4)
DTYPES = ["<f8", ">f4", "<f2", "|b1", "|i1", ">u4", "<c16", "<U3", "|S4", "<M8[25us]", "<m8", "|V3"]


@pytest.mark.parametrize(
    "array",
    [
        *(np.zeros(5, dtype) for dtype in DTYPES),
        np.array("ab"),
        np.zeros((0, 3)),
        GRID,
        GRID.T,
        GRID[::-1, :, ::2],
        GRID[:, 1],
        np.broadcast_to(np.float32(3), (2, 5)),
        np.asfortranarray(GRID),
        np.arange(10, dtype="<i2")[::-3],
    ],
    ids=lambda array: f"{array.dtype.str} {array.shape} {array.strides}",
)
def test_arrays_keep_dtype_shape_and_order(array: np.ndarray) -> None:
    there = trip(array)
    assert same(there, array)
    assert there.flags.owndata
    assert there.flags.writeable
    assert there.flags.f_contiguous or not array.flags.f_contiguous


@settings(max_examples=100)
@given(st.data())
def test_any_slice_of_an_array_arrives(data: st.DataObject) -> None:
    steps = st.sampled_from([-3, -2, -1, 1, 2, 3])
    index = tuple(slice(None, None, data.draw(steps)) for _ in range(3))
    axes = data.draw(st.permutations(range(3)))
    array = np.arange(4 * 5 * 6, dtype=data.draw(st.sampled_from(["<i8", ">u2", "|i1"])))
    array = array.reshape(4, 5, 6)[index].transpose(axes)
    assert same(trip(array), array)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_of_numpy_stay_numbers_of_numpy(dtype: str) -> None:
    scalar = np.zeros(1, dtype)[0]
    if dtype == "<m8":
        scalar = np.timedelta64("NaT")
    assert same(trip(scalar), scalar)


class Matrix(np.ndarray):
    pass


@pytest.mark.parametrize(
    "array",
    [
        np.array([("a", 1)], dtype=[("name", "U1"), ("count", "i4")]),
        np.array([{"a": 1}, None], dtype=object),
        np.zeros(3, np.dtype("f8", metadata={"unit": "m"})),
        np.zeros(3).view(Matrix),
        np.ma.masked_array([1, 2], [True, False]),
    ],
    ids=["structured", "object", "metadata", "subclass", "masked"],
)
def test_arrays_that_are_more_than_memory_are_pickled(array: np.ndarray) -> None:
    there = trip(array, pickle=True)
    assert type(there) is type(array)
    assert there.dtype == array.dtype
    assert (there == array).all()
    with pytest.raises(CodecError):
        trip(array)


@pytest.mark.parametrize("dtype", ["|O8", "O", "<i4,O", "T", "object", "<f8" * 9, "|V", "<M8[O"])
def test_an_array_of_pointers_is_refused_before_numpy_hears_of_it(dtype: str) -> None:
    head = msgpack.packb(dtype) + b"\0\1\1"
    with pytest.raises(CorruptDataError):
        decode_values(msgpack.packb([msgpack.ExtType(17, head + b"\x41" * 8)]))


@pytest.mark.parametrize(
    "content",
    [
        b"\xa3<f8\0\1\2" + b"\0" * 8,
        b"\xa3<f8\0\2\xce\xff\xff\xff\xff\xce\xff\xff\xff\xff",
        b"\xac<U2147483647\0\1\0",
        b"\xa3<U1\0\1\1\xff\xff\xff\xff",
        b"\xa3<f8\0\x41" + b"\1" * 65 + b"\0" * 8,
        b"\xa3<f8\0\1\xff" + b"\0" * 8,
    ],
    ids=["short", "overflow", "memory for none", "no character", "dimensions", "negative"],
)
def test_an_array_that_cannot_be_is_refused(content: bytes) -> None:
    with pytest.raises(CorruptDataError):
        decode_values(msgpack.packb([msgpack.ExtType(17, content)]))


def test_numpy_is_not_loaded_for_who_has_no_arrays() -> None:
    code = (
        "import sys\nfrom typhoon._core import *\nclass A: pass\n"
        "decode_values(encode_values((1, 'a', A())))\n"
        "assert not {'numpy', 'decimal', 'uuid', 'zoneinfo', 'cloudpickle'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Everything else: pickle --------------------------------------------------------------------------


class Colour(enum.IntEnum):
    RED = 1


class Name(str):
    __slots__ = ()


class Celsius(float):
    pass


class Moment(dt.datetime):
    pass


XY = namedtuple("XY", "x y")


@dataclass
class Plain:
    a: Any


DERIVED = [
    Colour.RED,
    Name("x"),
    Celsius(1.5),
    Moment(2026, 1, 2, tzinfo=dt.UTC),
    XY(1, 2),
    defaultdict(list, a=[1]),
    OrderedDict(a=1, b=2),
    Counter("abca"),
    deque([1, 2], 3),
    Plain(3),
    range(3),
    ...,
    int,
    ValueError("x", 1),
]


@pytest.mark.parametrize("value", DERIVED, ids=lambda value: type(value).__name__)
def test_what_derives_from_a_known_type_stays_what_it_is(value: Any) -> None:
    for there in (trip(value, pickle=True), trip([{"a": (value,)}], pickle=True)[0]["a"][0]):
        assert type(there) is type(value)
        assert repr(there) == repr(value)


@pytest.mark.parametrize("value", DERIVED, ids=lambda value: type(value).__name__)
def test_without_pickle_it_is_refused(value: Any) -> None:
    name = type(value).__name__
    with pytest.raises(CodecError, match=rf"value 1 holds a .*{name}, which only pickle") as raised:
        encode_values((0, [value]), pickle=False)
    assert raised.value.hint is not None
    assert name in raised.value.hint


def test_what_pickle_cannot_name_goes_by_cloudpickle() -> None:
    assert trip(lambda x: x + 1, pickle=True)(2) == 3


def test_what_nothing_carries_is_refused_by_position_and_type() -> None:
    with pytest.raises(CodecError, match=r"value 2 holds a _thread\.lock, which cannot") as raised:
        encode_values((1, "a", {"deep": [threading.Lock()]}))
    assert isinstance(raised.value.__cause__, TypeError)
    assert "register_type(_thread.lock" in str(raised.value.hint)


def test_a_memoryview_of_more_than_bytes_is_refused() -> None:
    for view in (memoryview(b"abcd").cast("I"), memoryview(b"abcd")[::2]):
        with pytest.raises(CodecError, match="memoryview"):
            trip(view, pickle=True)


def test_pickles_are_refused_where_they_may_not_be() -> None:
    data = encode_values((Plain(1),))
    with pytest.raises(CodecError, match=r"topology\.fall\.back\.on\.pickle"):
        decode_values(data, pickle=False)


class Mine:
    def __init__(self) -> None:
        self.gone = False

    def __reduce__(self) -> tuple[Any, ...]:
        return _explode, ()


def _explode() -> None:
    raise LookupError("no such thing here")


def test_what_cannot_be_unpickled_says_why() -> None:
    with pytest.raises(CodecError, match="LookupError: no such thing here") as raised:
        trip(Mine(), pickle=True)
    assert isinstance(raised.value.__cause__, LookupError)


# Depth and size -----------------------------------------------------------------------------------


def deep(levels: int) -> Any:
    return functools.reduce(lambda inner, _: [inner], range(levels), "x")


def test_depth_has_a_limit() -> None:
    assert repr(trip(deep(500))) == repr(deep(500))
    with pytest.raises(CodecError, match="nested more than 500 deep"):
        trip(deep(501))


@pytest.mark.skipif("ASAN_OPTIONS" in os.environ, reason="frames are many times larger there")
def test_the_greatest_depth_fits_on_a_small_stack() -> None:
    class Box:
        def __init__(self, inside: Any) -> None:
            self.inside = inside

    register_type(Box, encode=lambda box: box.inside, decode=Box, name="box")
    wraps = [lambda it: [it], lambda it: (it,), lambda it: {1: it}, Box, Order.of]
    done = []

    def run() -> None:
        for wrap in wraps:
            value = functools.reduce(lambda inner, _, wrap=wrap: wrap(inner), range(499), 1)
            trip(value)
            done.append(wrap)

    before = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=run)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert done == wraps


def test_far_too_deep_is_an_error_and_no_crash() -> None:
    with pytest.raises(CodecError, match="nested more than 500 deep"):
        trip(deep(100_000), pickle=True)


def test_a_structure_that_contains_itself_is_pickled_as_a_whole() -> None:
    ring: list[Any] = [1]
    ring.append(ring)
    there = trip(ring, pickle=True)
    assert there[1] is there
    with pytest.raises(CodecError, match=r"value 1 holds .* contains itself"):
        encode_values((1, ring), pickle=False)


@pytest.mark.parametrize("head", [b"\x91", b"\x81\1", b"\xdd\0\0\0\1"])
def test_too_deep_bytes_are_refused(head: bytes) -> None:
    with pytest.raises(CorruptDataError, match="nested too deeply"):
        decode_values(b"\x91" + head * 501 + b"\xc0")


@pytest.mark.parametrize("extension", [1, 2, 17])
def test_extensions_nested_too_deeply_are_refused(extension: int) -> None:
    """However deep: 20,000 times would be more than the stack holds."""
    inside = b"\xc0"
    for _ in range(20_000):
        array = b"\x91" if extension < 17 else b""
        inside = array + inside
        inside = b"\xc9" + struct.pack(">IB", len(inside), extension) + inside
    with pytest.raises(CorruptDataError, match="nested too deeply"):
        decode_values(b"\x91" + inside)


def test_more_than_a_gigabyte_is_refused() -> None:
    with pytest.raises(CodecError, match="value 1 holds more than the values of one tuple"):
        encode_values((1, bytes(1 << 30)))


# Registered types ---------------------------------------------------------------------------------


@register_type
@dataclass
class Order:
    number: int
    lines: list[Any]
    kind: ClassVar[str] = "order"

    @classmethod
    def of(cls, line: Any) -> "Order":
        return cls(1, line)


@register_type
@dataclass(frozen=True, slots=True)
class Frozen:
    a: Any
    b: Any = None


@register_type
@dataclass
class Derived:
    a: int
    total: int = field(init=False)
    made: ClassVar[int] = 0

    def __post_init__(self) -> None:
        type(self).made += 1
        self.total = self.a * 2
        self.more = "kept"


@register_type
class Pair(NamedTuple):
    left: Any
    right: Any = None


@register_type
class Tagged(Pair):
    pass


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


register_type(Money, encode=lambda money: money.cents, decode=Money, name="money")


@pytest.mark.parametrize(
    "value",
    [Order(1, [Frozen(2, Pair(1))]), Frozen(b=1, a={1}), Derived(3), Pair(1, (2,)), Tagged(1)],
    ids=lambda value: type(value).__name__,
)
def test_registered_types_travel_without_pickle(value: Any) -> None:
    there = trip([value])[0]
    assert type(there) is type(value)
    assert there == value


def test_no_constructor_runs_and_nothing_is_lost() -> None:
    order = Derived(3)
    before = Derived.made
    there = trip(order)
    assert vars(there) == {"a": 3, "total": 6, "more": "kept"}
    assert Derived.made == before
    tagged = Tagged(1, 2)
    tagged.note = "x"
    assert trip(tagged).note == "x"


def test_functions_say_how_any_class_travels() -> None:
    data = encode_values((Money(5),), pickle=False)
    assert b"money" in data
    assert decode_values(data)[0].cents == 5


def test_a_registered_type_as_a_key() -> None:
    assert trip({Frozen(1): 2, Pair(3): 4}) == {Frozen(1): 2, Pair(3): 4}
    assert trip({Frozen(1)}) == {Frozen(1)}


def test_a_subclass_is_not_what_was_registered() -> None:
    class Special(Order):
        pass

    with pytest.raises(CodecError, match="Special, which only pickle could carry"):
        trip(Special(1, []))


def fresh(name: str, **fields: Any) -> type:
    return dataclass(type("Fresh", (), {"__annotations__": fields, "__qualname__": name}))


def test_a_name_that_nobody_registered_is_told() -> None:
    data = encode_values((register_type(fresh("Gone", a=int))(1),))
    with pytest.raises(CodecError, match=r"Gon\?, which nothing in this process") as raised:
        decode_values(data.replace(b"Gone", b"Gon?"))
    assert f"({__name__})" in str(raised.value.hint)


def test_other_fields_there_are_told_and_not_mixed_up() -> None:
    data = encode_values((register_type(fresh("Changes", a=int, b=int))(1, 2),))
    register_type(fresh("Changes", b=int, a=int))
    with pytest.raises(CodecError, match="other fields where it comes from"):
        decode_values(data)


def test_a_module_that_is_loaded_again_replaces_its_classes() -> None:
    old, new = (register_type(fresh("Again", a=int)) for _ in range(2))
    assert type(trip(new(1))) is new
    assert type(trip(old(1))) is new


def test_a_name_belongs_to_one_class() -> None:
    with pytest.raises(ValueError, match="the name 'money' is that of"):
        register_type(fresh("Other", a=int), name="money")


def test_a_failing_function_is_named() -> None:
    class Bad:
        pass

    def refuse(_: Any) -> Any:
        raise KeyError("no way")

    register_type(Bad, encode=refuse, decode=lambda _: None, name="bad")
    with pytest.raises(CodecError, match=r"value 0 holds a bad, whose .* raised KeyError"):
        encode_values((Bad(),))
    register_type(Bad, encode=lambda _: 1, decode=refuse, name="bad")
    with pytest.raises(CodecError, match="the registered decode of bad raised KeyError"):
        trip(Bad())
    register_type(Bad, encode=lambda _: 1, decode=lambda value: value, name="bad")
    with pytest.raises(CodecError, match="returned something else"):
        trip(Bad())


def test_an_encode_that_gives_its_own_kind_back_ends() -> None:
    class Mirror:
        pass

    register_type(Mirror, encode=lambda mirror: mirror, decode=lambda it: it, name="mirror")
    with pytest.raises(CodecError, match="contains itself"):
        encode_values((Mirror(),), pickle=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3,), "takes a class"),
        ((Colour,), "neither a dataclass nor a NamedTuple"),
        ((Money, int), "lacks decode"),
        ((int, int, int), "carries int itself"),
        ((dt.datetime, int, int), "carries datetime itself"),
        ((dataclass(type("Err", (ValueError,), {})),), "give encode and decode"),
    ],
    ids=["no class", "no fields", "half", "int", "datetime", "built-in base"],
)
def test_what_cannot_be_registered(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        register_type(*arguments)


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_a_name_has_some_bytes_and_not_too_many(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 255"):
        register_type(Order, name=name)


# Changes while encoding ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (lambda meddler: [meddler, *map(str, range(9))], lambda it: it.clear()),
        (lambda meddler: {"a": meddler, "b": [1], "c": [2]}, lambda it: it.pop("b")),
        (lambda meddler: {meddler: [1], "b": [1]}, lambda it: it.clear()),
        (lambda meddler: {meddler, 1}, lambda it: it.clear()),
    ],
    ids=["list", "dict", "dict by key", "set"],
)
def test_a_container_that_changes_meanwhile_is_an_error(make: Any, change: Any) -> None:
    class Meddler:
        pass

    meddler = Meddler()
    register_type(Meddler, encode=lambda _: change(held), decode=Meddler, name="meddler")
    held = make(meddler)
    del meddler
    with pytest.raises(CodecError, match="changed while it was encoded"):
        encode_values((held,))


# Broken bytes -------------------------------------------------------------------------------------


def decode_or_error(data: bytes) -> None:
    try:
        values = decode_values(data, pickle=False)
    except (CodecError, CorruptDataError):
        return
    assert isinstance(values, tuple)
    encode_values(values)


@settings(max_examples=1000)
@given(st.binary(max_size=200))
@example(b"")
def test_arbitrary_bytes_are_values_or_an_error(data: bytes) -> None:
    decode_or_error(data)
    decode_or_error(b"\x91" + data)


samples = st.sampled_from(
    [
        encode_values((np.arange(6.0).reshape(2, 3), np.int8(3), decimal.Decimal("1.5"))),
        encode_values((dt.datetime.now(dt.UTC), dt.timezone(dt.timedelta(1) / 3, "x"))),
        encode_values((zoneinfo.ZoneInfo("Europe/Berlin"), uuid.uuid4(), 1j, bytearray(b"x"))),
        encode_values((Order(1, [Pair(1)]), Derived(2), {1, (2,)}, memoryview(b"x"))),
        encode_values(({"a": [1, 2**70, -1.5]}, "é\ud800", {"b": (b"x" * 300,)}, dt.time(1))),
    ]
)


@settings(max_examples=300)
@given(samples, st.integers(0, 2**32))
def test_changed_bytes_are_values_or_an_error(data: bytes, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(20):
        decode_or_error(FUZZ["broken"](rng, data))


@settings(max_examples=50)
@given(rows)
def test_any_part_of_the_bytes_is_an_error(values: tuple[Any, ...]) -> None:
    data = encode_values(values)
    for end in range(len(data)) if len(data) < 300 else range(0, len(data), len(data) // 100):
        with pytest.raises(CorruptDataError):
            decode_values(data[:end], pickle=False)
    with pytest.raises(CorruptDataError, match="more bytes than values"):
        decode_values(data + b"\xc0")


def ext(code: int, content: bytes) -> bytes:
    return msgpack.packb([msgpack.ExtType(code, content)])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the end at byte 0"),
        (b"\xc0", "no array"),
        (b"\x91\xc1", "a byte that begins nothing"),
        (b"\x91\xa2\xff\xfe", "no str at byte 2: UnicodeDecodeError"),
        (b"\x91\xa3\xed\xa0\x80", "no str"),
        (b"\x91\x81\xa3\xed\xa0\x80\xc0", "no str"),
        (b"\x91\x81\x90\xc0", "no key at byte 2: TypeError: unhashable type: 'list'"),
        (ext(99, b""), "unknown type 99"),
        (ext(1, b"\x91\1\2"), "longer than what is in it"),
        (ext(2, b"\x91\x90"), "no item of a set"),
        (ext(4, b""), ""),
        (ext(9, b"\x27\x10\1\1\0\0\0\0\0\0"), "no datetime"),
        (ext(9, b"\7\xea\1\1\x80\0\0\0\0\0"), "fold"),
        (ext(9, b"\7\xea\1\1\0\0\0\0\0\0\1"), "no datetime"),
        (ext(13, b"\1"), "offset is no timedelta"),
        (ext(14, b"../../etc/passwd"), "no time zone of that key"),
        (ext(15, b"1.x"), "Decimal"),
        (ext(15, b"\xff"), "Decimal"),
        (ext(16, b"x" * 15), "the end"),
        (ext(18, b"\1"), "without a name"),
        (b"\xdd\xff\xff\xff\xff", "more items than bytes"),
        (b"\x91\xdf\x80\0\0\0", "more items than bytes"),
        (b"\x91\xc6\xff\xff\xff\xff", "the end"),
    ],
)
def test_broken_bytes_are_named(data: bytes, message: str) -> None:
    if not message:
        assert decode_values(data) == (0,)
        return
    with pytest.raises(CorruptDataError, match=r"these bytes are no tuple's values") as raised:
        decode_values(data)
    assert message in str(raised.value)
    copy.copy(raised.value)


def test_a_decimal_is_checked_whatever_the_context_traps() -> None:
    with decimal.localcontext() as context:
        context.clear_traps()
        with pytest.raises(CorruptDataError):
            decode_values(ext(15, b"nonsense"))


def test_the_fuzzer_finds_nothing_in_a_second() -> None:
    answer = subprocess.run(
        [sys.executable, SCRIPT, "--seconds", "1"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert "CorruptDataError" in answer.stdout


def test_the_memory_of_claims_is_bounded() -> None:
    tracemalloc.start()
    try:
        for head in (b"\xdd", b"\xc9\0\0\xff\xff\1\xdd", b"\xdf"):
            claims = head + struct.pack(">I", 60_000)
            FUZZ["try_one"](b"\x91" + claims * 450 + b"\xc0" * 60_000)
    finally:
        tracemalloc.stop()


# The face -----------------------------------------------------------------------------------------


def test_only_tuples_are_encoded_and_only_bytes_decoded() -> None:
    with pytest.raises(TypeError):
        encode_values([1])  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        decode_values(bytearray(b"\x90"))  # type: ignore[arg-type]


def test_an_interrupt_is_no_error_of_the_codec() -> None:
    class Stop:
        def __reduce__(self) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_values((Stop(),))


@pytest.mark.parametrize("values", [("word",), ("word", 1), (), ({"a": [1]},)])
def test_the_timing_is_of_what_it_says(values: tuple[Any, ...]) -> None:
    encoding, decoding = time_codec(values, 100)
    assert 0 < encoding < 1e6
    assert 0 < decoding < 1e6


def test_nothing_is_leaked() -> None:
    values = (Order(1, [{"a": "long enough to count", "b": (1, 2)}]), Money(1), b"x" * 10, 2**80)
    held = [values[0], values[0].lines, values[0].lines[0], "a"]
    before = [sys.getrefcount(one) for one in held]
    for _ in range(50):
        data = encode_values(values)
        decode_values(data)
        for end in range(0, len(data), 7):
            decode_or_error(data[:end])
    assert [sys.getrefcount(one) for one in held] == before
