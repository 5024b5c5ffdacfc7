"""What TLS between workers costs: word count on two workers over TCP, with and without.

    python benchmarks/tls.py --input TEXT [--rounds 5] [--seconds 4] [--json]

An authority and one certificate for all workers are made by `openssl` for the length of the run.
Processor time per word says more than words per second where others use the cores as well.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import Figure, answer, digits

NAME = "typhoon-worker"


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def certificates(folder: Path) -> list[str]:
    """Options of `typhoon bench` that name the files."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(
        folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem",
        "-days", "2", "-subj", "/CN=authority",
    )  # fmt: skip
    openssl(
        folder, "req", *key, "-keyout", "worker.key", "-out", "worker.csr", "-subj", f"/CN={NAME}"
    )
    (folder / "extensions").write_text(f"subjectAltName=DNS:{NAME}\n", encoding="ascii")
    openssl(
        folder, "x509", "-req", "-in", "worker.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-out", "worker.pem", "-days", "2", "-extfile", "extensions",
    )  # fmt: skip
    files = {"certificate": "worker.pem", "key": "worker.key", "authorities": "ca.pem"}
    given = [f"worker.link.tls.{part}={folder / file}" for part, file in files.items()]
    return [word for one in given for word in ("-c", one)]


def measure(given: argparse.Namespace, options: list[str]) -> tuple[float, float]:
    """Words per second, and nanoseconds of the workers' processor time per word."""
    command = [sys.executable, "-m", "typhoon.cli", "bench", "word-count", "--json"]
    command += ["--input", str(given.input), "--seconds", str(given.seconds), "--rounds", "1"]
    command += ["--workers", "2", "--transport", "tcp", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    return float(found["rate"]), float(found["cpu_ns_per_word"])


def main() -> None:
    parser = argparse.ArgumentParser(description="What TLS between workers costs.")
    parser.add_argument("--input", type=Path, required=True, help="the text; any will do")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one measurement")
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    if shutil.which("openssl") is None:
        parser.error("openssl is not installed here: it makes the certificates")
    plain, secret = [], []
    with tempfile.TemporaryDirectory(prefix="typhoon-tls-") as name:
        options = certificates(Path(name))
        for number in range(given.rounds):
            for tls in (False, True) if number % 2 == 0 else (True, False):
                (secret if tls else plain).append(measure(given, options if tls else []))
    rates = [mine / other for (mine, _), (other, _) in zip(secret, plain, strict=True)]
    costs = [mine - other for (_, mine), (_, other) in zip(secret, plain, strict=True)]
    beside = {
        "plain": f"{digits(statistics.median(cost for _, cost in plain))} ns per word",
        "TLS": f"{digits(statistics.median(cost for _, cost in secret))}",
    }
    figures = [
        Figure(what="words per second, of those without TLS", values=rates, unit=""),
        Figure(what="processor time", values=costs, unit="ns per word", beside=beside),
    ]
    settings = {"rounds": given.rounds, "seconds": given.seconds, "workers": 2}
    print(answer("tls", figures, settings, given.as_json))


if __name__ == "__main__":
    main()
