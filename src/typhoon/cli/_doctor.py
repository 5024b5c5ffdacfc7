"""``typhoon doctor``: what is wrong with this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from typhoon.cli._options import Json

if TYPE_CHECKING:
    from typhoon.cli._findings import Finding


def doctor(as_json: Json = False) -> int:
    """Look at this machine: what typhoon needs of it, and what will make it slow."""
    from typhoon.cli._findings import findings

    found = findings()
    failed = any(one.verdict == "fail" for one in found)
    if as_json:
        answer = {"ok": not failed, "findings": [asdict(one) for one in found]}
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in lines(found)))
    return 1 if failed else 0


def lines(found: Iterable[Finding]) -> Iterator[str]:
    """One line for each finding, its hint below it, and the sum of them all."""
    every = list(found)
    width = max(len(one.name) for one in every)
    for one in every:
        yield f"{one.verdict:<4}  {one.name:<{width}}  {one.found}"
        if one.hint is not None:
            yield f"{'':4}  {'':{width}}  hint: {one.hint}"
    wrong = [f"{sum(one.verdict == kind for one in every)} {kind}" for kind in ("warn", "fail")]
    yield f"{len(every)} looked at: {', '.join(wrong)}"
