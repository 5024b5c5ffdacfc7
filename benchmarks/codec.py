"""What it costs to turn a tuple's values into bytes and back, beside msgspec, msgpack and pickle.

    python benchmarks/codec.py [--rounds 15] [--json]

Every round measures all of them in turn, the best of a few bursts of a millisecond or less, so that
a busy machine disturbs few; the table has the medians of the rounds, in nanoseconds, and each peer
as a ratio to ours of the same round. "engine" is the codec where the engine calls it, without a
call from Python for each tuple, and decoding includes the end of the decoded objects; everything
else is called from the same Python loop, whose own cost of some ten nanoseconds is in all of these
figures. What a peer cannot carry by itself (numpy) it gets as it would be written by hand.
"""

from __future__ import annotations

import argparse
import functools
import json
import operator
import pickle
import statistics
import time
from collections.abc import Callable
from typing import Any

import msgpack
import msgspec
import numpy as np
from figures import digits, table

from typhoon._core import decode_values, encode_values, time_codec

LINE = "In the beginning God created the heaven and the earth. " * 3
PAYLOADS: dict[str, tuple[Any, ...]] = {
    "(word,)": ("beginning",),
    "(word, int)": ("beginning", 1234),
    "a line of 165": (LINE,),
    "dict of 5": ({"user": "anna", "page": "/home", "ms": 12.5, "ok": True, "visits": 5},),
    "bytes, 1 MB": (bytes(1 << 20),),
    "numpy, 1 MB": (np.arange(1 << 17, dtype="<f8"),),
}
BURSTS = 10
Coder = tuple[Callable[[Any], bytes], Callable[[bytes], Any]]


def coders(values: tuple[Any, ...]) -> dict[str, Coder]:
    """For each library, the calls that its users would write for these values."""
    found: dict[str, Coder] = {
        "typhoon": (encode_values, decode_values),
        "msgspec": (msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(tuple).decode),
        "msgpack": (msgpack.Packer().pack, functools.partial(msgpack.unpackb, use_list=False)),
        "pickle": (functools.partial(pickle.dumps, protocol=5), pickle.loads),
    }
    if isinstance(values[0], np.ndarray):
        for name in ("msgspec", "msgpack"):
            encode, decode = found[name]
            found[name] = (by_hand(encode), from_hand(decode))
    return found


def by_hand(encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    def call(values: tuple[np.ndarray]) -> bytes:
        (array,) = values
        return encode((array.dtype.str, array.shape, array.data.cast("B")))

    return call


def from_hand(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def call(data: bytes) -> tuple[np.ndarray]:
        dtype, shape, memory = decode(data)
        return (np.frombuffer(bytearray(memory), dtype).reshape(shape),)

    return call


def loop(call: Callable[[Any], Any], argument: Any, rounds: int) -> float:
    """Nanoseconds of one call, with the loop: the best of some bursts."""
    numbers = range(rounds)
    bursts = []
    for _ in range(BURSTS):
        begun = time.perf_counter_ns()
        for _ in numbers:
            call(argument)
        bursts.append(time.perf_counter_ns() - begun)
    return min(bursts) / rounds


def inside(values: tuple[Any, ...], rounds: int) -> tuple[float, float]:
    """The same, where the engine would do it."""
    encoding, decoding = zip(*(time_codec(values, rounds) for _ in range(BURSTS)), strict=True)
    return min(encoding), min(decoding)


def same(values: tuple[Any, ...], there: Any) -> bool:
    return bool(np.all(operator.eq(there[0], values[0]))) and len(there) == len(values)


def measure(values: tuple[Any, ...], rounds: int) -> dict[str, dict[str, list[float]]]:
    """For each coder the nanoseconds of each round, ``encode`` and ``decode``."""
    known = coders(values)
    data = {name: encode(values) for name, (encode, _) in known.items()}
    for name, (_, decode) in known.items():
        assert same(values, decode(data[name])), name
    large = isinstance(values[0], (bytes, np.ndarray))
    count = 5 if large else 2_000
    times: dict[str, dict[str, list[float]]] = {
        name: {"encode": [], "decode": []} for name in ("engine", *known)
    }
    for number in range(rounds + 1):
        for name in times:
            if name == "engine":
                found = dict(zip(("encode", "decode"), inside(values, count), strict=True))
            else:
                encode, decode = known[name]
                found = {
                    "encode": loop(encode, values, count),
                    "decode": loop(decode, data[name], count),
                }
            for way in found if number else ():  # the first round warms up
                times[name][way].append(found[way])
    return times


def cell(mine: list[float], times: list[float], ratio: bool) -> str:
    median = statistics.median(times)
    if not ratio:
        return digits(median)
    ratios = (theirs / ours for theirs, ours in zip(times, mine, strict=True))
    return f"{digits(median)} ({statistics.median(ratios):.2g})"


def main() -> None:
    parser = argparse.ArgumentParser(description="What encoding and decoding values costs.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    found = {name: measure(values, given.rounds) for name, values in PAYLOADS.items()}
    if given.as_json:
        print(json.dumps({"name": "codec", "rounds": given.rounds, "ns": found}))
        return
    print(f"codec, rounds {given.rounds}; ns, medians (and the ratio to typhoon)")
    for way in ("encode", "decode"):
        names = ["engine", "typhoon", "msgspec", "msgpack", "pickle"]
        rows = [
            [
                payload,
                *(
                    cell(times["typhoon"][way], times[name][way], name not in names[:2])
                    for name in names
                ),
            ]
            for payload, times in found.items()
        ]
        print(f"\n{table([[way, *names], *rows])}")


if __name__ == "__main__":
    main()
