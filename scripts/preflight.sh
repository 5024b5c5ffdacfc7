#!/usr/bin/env bash
# Looks for what a build needs and cannot install by itself; prints the path of a Python that is new enough.
# Where something is missing: one sentence with the next step, on stderr, and exit status 1.
# Usage: scripts/preflight.sh [PYTHON]
set -euo pipefail

stop() {
    printf '%s\n' "$1" >&2
    exit 1
}

find_python() {
    local name path
    for name in python3 python3.13 python3.12 python3.11; do
        # A name may be found and still not start (a version manager's stand-in), so ask it.
        path=$("$name" -c 'import sys
if sys.version_info >= (3, 11) and sys.implementation.name == "cpython":
    print(sys.executable)' 2>/dev/null) || continue
        [ -n "$path" ] && printf '%s' "$path" && return
    done
    return 1
}

# A python named by the caller is taken or refused, never replaced by another.
if [ $# -gt 0 ] && [ -n "$1" ]; then
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11) or sys.implementation.name != "cpython")' 2>/dev/null ||
        stop "Typhoon needs CPython 3.11 or later, and '$1' ($("$1" --version 2>/dev/null || echo 'it does not start')) is not one: install it, or name another with 'make PYTHON=/path/to/python3.11'."
    python=$(command -v "$1")
else
    python=$(find_python) ||
        stop "Typhoon needs CPython 3.11 or later, and there is none here ($(python3 --version 2>/dev/null || echo 'no python3')): install it, then run the same command again, or name it with 'make PYTHON=/path/to/python3.11'."
fi

"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    stop "Python's venv module is missing from $python: install it (Debian and Ubuntu: 'apt-get install python3-venv'), then run the same command again."

command -v cargo >/dev/null ||
    stop "Typhoon's core is built by Rust, and there is no 'cargo' on the PATH: install Rust by rustup (https://rustup.rs) and open a new shell, then run the same command again."

needed=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
cargo --version >/dev/null 2>&1 ||
    stop "Rust $needed, which rust-toolchain.toml names, is not installed: run 'rustup toolchain install $needed --component rustfmt --component clippy', then run the same command again."

command -v cc >/dev/null ||
    stop "Rust needs a C linker, and there is no 'cc' on the PATH: install one (Debian and Ubuntu: 'apt-get install build-essential'; macOS: 'xcode-select --install'), then run the same command again."

printf '%s\n' "$python"
