#!/usr/bin/env bash
# Runs the tests that reach the door to Python (crates/typhoon-py) under AddressSanitizer: the core is built with it, and
# the interpreter takes every object's memory from it. The module in the source tree stays as it is.
# Usage: scripts/sanitize.sh PYTHON [arguments for pytest, instead of the usual tests]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$(realpath --no-symlinks "$1")
shift

target=x86_64-unknown-linux-gnu
if [ "$(uname -sm)" != 'Linux x86_64' ]; then
    echo "error: made for Linux on x86_64, and this is $(uname -sm)" >&2
    exit 1
fi
scripts/apt-install.sh gcc
runtime=$(gcc -print-file-name=libasan.so)
if [ ! -e "$runtime" ]; then
    echo "error: gcc has no libasan.so" >&2
    echo "hint: install the libgcc-…-dev of its version" >&2
    exit 1
fi

# The pinned compiler with options of the unstable one. gcc's runtime does for both; names are written in the old way,
# which it can read. Assertions and checks for overflow are on, as in any development build.
out=target/sanitize
echo "building into $out"
PYO3_PYTHON=$python RUSTC_BOOTSTRAP=1 CARGO_PROFILE_DEV_OPT_LEVEL=1 \
    RUSTFLAGS='-Zsanitizer=address -Zexternal-clangrt -Zunstable-options -Csymbol-mangling-version=legacy
        -Cforce-frame-pointers=yes' \
    cargo build --quiet --locked --package typhoon-py --target $target --target-dir $out

place=$PWD/$out/place
rm -rf "$place"
mkdir -p "$place"
cp -R src/typhoon "$place/"
rm -f "$place"/typhoon/_core*.so
suffix=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
cp $out/$target/debug/lib_core.so "$place/typhoon/_core$suffix"

# The interpreter itself is not instrumented: freed memory is overwritten, so that it stumbles over that as well. What is
# in quarantine looks like a leak to tests that measure memory, so those tests are left out.
report=$place/report
# The tables of the hand-made types live for ever, and other people's libraries are not our business.
printf 'leak:%s\n' '::add_to::' 'site-packages/' >"$place/known-leaks"
sanitized() {
    env LD_PRELOAD="$runtime $(gcc -print-file-name=libstdc++.so.6)" PYTHONPATH="$place" PYTHONMALLOC=malloc \
        LSAN_OPTIONS="suppressions=$place/known-leaks:print_suppressions=0" \
        ASAN_OPTIONS="detect_leaks=${leaks:-1}:handle_segv=2:handle_abort=2:max_free_fill_size=4096:free_fill_byte=221:log_path=$report" \
        "$python" "$@"
}

loaded=$(sanitized -c 'import typhoon._core; print(typhoon._core.__file__)' || true)
if [ "$loaded" != "$place/typhoon/_core$suffix" ]; then
    echo "error: $python loads '$loaded', not what was built for this" >&2
    cat "$report".* >&2 || true
    exit 1
fi
if [ $# -eq 0 ]; then
    usual=yes
    set -- tests/topologies tests/unit/test_topology.py tests/unit/test_topology_components.py \
        --deselect tests/topologies/test_bad_days.py::test_a_thousand_starts_and_stops_leave_nothing \
        --deselect tests/topologies/test_coroutines.py::test_memory_stays_flat \
        --deselect tests/topologies/test_foreign.py::test_flood_from_another_thread_waits_for_who_gets_it
fi
failed=0
sanitized -m pytest -q -p no:cacheprovider -o timeout=300 "$@" || failed=$?
if [ -n "${usual-}" ]; then
    # numpy and tracemalloc leave memory behind that nobody can tell from ours; test_nothing_is_leaked counts by itself.
    leaks=0 sanitized -m pytest -q -p no:cacheprovider -o timeout=300 tests/unit/test_codec.py || failed=$?
fi

shopt -s nullglob
for one in "$report".*; do
    cat "$one" >&2
    failed=99
done
if [ "$failed" -ne 0 ]; then
    echo "sanitize: failed" >&2
    exit "$failed"
fi
echo "sanitize: nothing found"
