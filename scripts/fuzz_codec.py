"""Feed the codec's decoder with broken bytes, for as long as you like.

Usage: python scripts/fuzz_codec.py [--seconds 60] [--seed N]

Half of the inputs are encodings of random values with some bytes changed, cut, doubled or moved,
the others random bytes of which many begin something. Each must become values that can be encoded
again, or an error of the tree, and may take no more memory than its length allows. Pickles are
refused, since unpickling runs what the bytes say. Who crashes finds the seed of the last five
hundred inputs in ``.bench/fuzz-last``.
"""

import argparse
import datetime as dt
import decimal
import random
import struct
import time
import tracemalloc
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from typhoon import CodecError, CorruptDataError, register_type
from typhoon._core import decode_values, encode_values

BYTES_PER_BYTE = 256  # the worst that was found is a memoryview of nothing: about 90
BYTES_AT_LEAST = 1 << 17
BATCH = 500
LAST = Path(__file__).resolve().parents[1] / ".bench" / "fuzz-last"


@register_type
@dataclass
class Point:
    x: Any
    y: Any = None


@register_type
class Pair(NamedTuple):
    left: Any
    right: Any


register_type(type("Odd", (), {}), encode=lambda odd: 1, decode=lambda value: None, name="odd")


def leaf(rng: random.Random) -> Any:
    """A value that holds no other."""
    zone = dt.timezone(dt.timedelta(minutes=rng.randrange(-600, 600)), rng.choice(["x", "CET"]))
    moment = dt.datetime(rng.randrange(1, 9999), 2, 3, 4, 5, 6, rng.randrange(10**6), zone)
    array = np.arange(rng.randrange(12)).astype(rng.choice(["<f8", ">i2", "|b1", "<U3", "<M8[s]"]))
    return rng.choice(
        [
            None,
            True,
            rng.randrange(-200, 200),
            rng.getrandbits(63),
            -rng.getrandbits(100),
            rng.random(),
            "word" * rng.randrange(20),
            "é\ud800"[: rng.randrange(3)],
            b"b" * rng.randrange(300),
            bytearray(b"x"),
            memoryview(b"view"),
            1j,
            moment,
            moment.replace(tzinfo=None),
            moment.date(),
            moment.timetz(),
            dt.timedelta(rng.randrange(-9, 9), 1, 2),
            decimal.Decimal(rng.randrange(10**6)).scaleb(-2),
            uuid.UUID(int=rng.getrandbits(128)),
            array,
            np.float32(1.5),
        ]
    )


def value(rng: random.Random, depth: int = 4) -> Any:
    """Any value, nested up to ``depth``."""
    if depth == 0 or rng.random() < 0.4:
        return leaf(rng)
    items = [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    plain = [rng.randrange(1000) for _ in items]
    kind = rng.randrange(7)
    if kind == 0:
        return dict(zip([f"key{number % 9}" for number in plain], items, strict=True))
    if kind == 1:
        return rng.choice([set, frozenset])(plain)
    if kind == 2:
        return Point(items, leaf(rng))
    if kind == 3:
        return Pair(items, leaf(rng))
    return tuple(items) if kind == 4 else items


def broken(rng: random.Random, data: bytes) -> bytes:
    """``data`` with a few things wrong."""
    found = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(found) + 1)
        way = rng.randrange(7)
        if way == 0 and at < len(found):
            found[at] = rng.randrange(256)
        elif way == 1 and at < len(found):
            found[at] ^= 1 << rng.randrange(8)
        elif way == 2:
            del found[at:]
        elif way == 3:
            found[at:at] = noise(rng)
        elif way == 4:
            found[at : at + 4] = struct.pack(">I", rng.choice([0, 1, 255, 2**31, 2**32 - 1]))
        elif way == 5:
            found[at:at] = found[at : at + rng.randrange(20)] * rng.randrange(20)
        else:
            del found[at : at + rng.randrange(5)]
    return bytes(found)


def noise(rng: random.Random) -> bytes:
    """Bytes of which many begin something: containers, lengths, extensions."""
    starts = [*range(0x80, 0xA0), *range(0xC0, 0xE0), *([0xC7] * 20)]
    return bytes(
        rng.choice(starts) if rng.random() < 0.6 else rng.randrange(24)
        for _ in range(rng.randrange(60))
    )


def bomb(rng: random.Random) -> bytes:
    """Containers in containers, each of which says that it has more items than there are bytes."""
    size = rng.randrange(10, 3000)
    head = rng.choice(
        [
            b"\xdd",
            b"\xdf",
            b"\xc7\xff\x01\xdd",
            b"\xc7\xff\x02\xdd",
            b"\xc7\xff\x11\xdd",
            b"\xdc",
            b"\x91",
        ]
    )
    claims = struct.pack(">I", rng.choice([size, size // 2, 2**32 - 1]))
    return b"\x91" + (head + (claims if head[-1] > 0xDC else claims[2:])) * (size // 5)


def try_one(data: bytes) -> str:
    """What became of it; raises AssertionError for what must not be."""
    tracemalloc.reset_peak()  # does nothing unless it is tracing
    before = tracemalloc.get_traced_memory()[0]
    try:
        values = decode_values(data, pickle=False)
    except (CodecError, CorruptDataError) as error:
        outcome = type(error).__name__
        values = None
    else:
        outcome = "values"
    peak = tracemalloc.get_traced_memory()[1] - before
    allowed = BYTES_AT_LEAST + BYTES_PER_BYTE * len(data)
    assert peak <= allowed, f"{peak} bytes of memory for {len(data)} bytes: {data.hex()}"
    if values is not None:
        again = decode_values(encode_values(values))
        assert len(again) == len(values), data.hex()
    return outcome


def fuzz(seconds: float, seed: int) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    deadline = time.monotonic() + seconds
    LAST.parent.mkdir(exist_ok=True)
    for number in range(300):
        try_one(encode_values((leaf(random.Random(number)),)))  # loads what is loaded once
    for name in b"UTC", b"Gone", b"/Gone":
        try_one(b"\x91\xc7" + bytes([len(name), 14]) + name)
    tracemalloc.start()
    while time.monotonic() < deadline:
        LAST.write_text(f"--seed {seed}\n", encoding="ascii")
        rng = random.Random(seed)
        for _ in range(BATCH):
            kind = rng.random()
            if kind < 0.5:
                data = broken(rng, encode_values(tuple(value(rng) for _ in range(3))))
            else:
                data = bomb(rng) if kind < 0.55 else noise(rng)
            outcomes[try_one(data)] += 1
        seed += 1
    tracemalloc.stop()
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description="Feed the codec's decoder with broken bytes.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    given = parser.parse_args()
    outcomes = fuzz(given.seconds, given.seed)
    told = ", ".join(f"{count} {name}" for name, count in outcomes.most_common())
    print(f"seed {given.seed}: {sum(outcomes.values())} inputs: {told}")


if __name__ == "__main__":
    main()
