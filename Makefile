# Every chore has a name here; `.ci/run` calls the same names. `make help` lists them.
# What a chore made is remembered by a stamp in $(VENV)/.stamps, so that nothing is built twice.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?=
VENV ?= .venv
BIN := $(CURDIR)/$(VENV)/bin
STAMPS := $(VENV)/.stamps
STREAMPARSE := .peers/streamparse
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# Cargo's own runs (clippy, tests) must see the interpreter that maturin builds for, or everything is compiled twice.
export PYO3_PYTHON := $(BIN)/python

# A folder stands for the files that were removed from it.
RUST_SOURCES := Cargo.toml Cargo.lock rust-toolchain.toml \
    $(shell find crates -type d -o -name '*.rs' -o -name Cargo.toml)
PYTHON_SOURCES := $(shell find src -name '*.py' -o -name '*.pyi' -o -name py.typed)

# The module lies in the source tree; where it was removed from there, the stamp that says it was built is a lie.
ifeq ($(wildcard src/typhoon/_core*.so),)
$(shell rm -f $(STAMPS)/core)
endif

# ---------------------------------------------------------------------------------------------------------------------
# People

.PHONY: help
help:  ## list the chores (this is the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: $(STAMPS)/dev $(STAMPS)/core  ## make .venv with the locked tools and a release build of the project

.PHONY: demo
demo: $(STAMPS)/core  ## build, then count the words of the standard library's sources (INPUT=folder: of others)
	$(BIN)/typhoon run examples/word_count.py $(if $(INPUT),-c 'input.path=$(INPUT)')

.PHONY: wheel
wheel: $(STAMPS)/wheel  ## build the wheel into dist/

.PHONY: fmt
fmt: $(STAMPS)/dev  ## format Python and Rust
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .
	cargo fmt --all

.PHONY: lock
lock: $(STAMPS)/dev  ## write the lock files anew (UPGRADE=1: with the newest versions)
	scripts/lock.sh $(BIN)/uv $(if $(UPGRADE),--upgrade)
	cargo update $(if $(UPGRADE),,--workspace)

.PHONY: clean
clean:  ## remove everything that chores have made
	rm -rf $(VENV) .peers target dist site .bench .hypothesis .mypy_cache .pytest_cache .ruff_cache src/typhoon/_core*.so
	find src tests benchmarks examples scripts -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# ---------------------------------------------------------------------------------------------------------------------
# Tests

TEST_STAGES := apt setup lint test-rust test-python docs

.PHONY: test
test: $(TEST_STAGES)  ## everything: lint, Rust tests, Python tests (the examples too), documentation

.PHONY: test-stages
test-stages:
	@echo $(TEST_STAGES)

.PHONY: test-fast
test-fast: setup  ## the tests for between two edits, under three minutes: Rust, unit, topologies in one process
	cargo test --quiet --locked -p typhoon-core -p typhoon-wire
	$(BIN)/pytest -q -m 'not slow' tests/unit tests/topologies

.PHONY: lint
lint: setup  ## ruff, mypy, pyright, stubtest, rustfmt, clippy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src
	$(BIN)/mypy --strict examples
	$(BIN)/basedpyright
	MYPYPATH=src $(BIN)/python -m mypy.stubtest typhoon._core
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

.PHONY: test-rust
test-rust: $(STAMPS)/dev  ## the tests of engine and links, without an interpreter, and of queues under loom
	cargo test --locked -p typhoon-core -p typhoon-wire
	RUSTFLAGS='--cfg loom' cargo test --locked -p typhoon-core --lib --target-dir target/loom

.PHONY: test-python
test-python: setup $(STREAMPARSE)/.installed  ## all Python tests
	$(BIN)/pytest

.PHONY: sanitize
sanitize: $(STAMPS)/dev  ## the tests of the door between Rust and Python under AddressSanitizer, in minutes (Linux)
	scripts/sanitize.sh $(BIN)/python $(TESTS)

.PHONY: fuzz
fuzz: setup  ## feed the codec's decoder with broken bytes (SECONDS=60)
	$(BIN)/python scripts/fuzz_codec.py --seconds $(or $(SECONDS),60)

.PHONY: docs
docs: $(STAMPS)/dev  ## build the documentation into site/; a broken link is an error
	$(BIN)/mkdocs build --strict --quiet
	@echo 'documentation: site/index.html'

.PHONY: apt
apt:  # what the tests need from Debian; does nothing where it is there already
	@scripts/apt-install.sh $$(sed 's/#.*//' requirements/debian.txt)

# What typhoon.compat is compared with, in an environment of its own.
$(STREAMPARSE)/.installed: requirements/streamparse.txt | $(STAMPS)/venv
	$(BIN)/python -m venv --clear $(STREAMPARSE)
	$(STREAMPARSE)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r $<
	@touch $@

# ---------------------------------------------------------------------------------------------------------------------
# Measurements

TEXT := .bench/text.txt

.PHONY: bench
bench: setup $(TEXT)  ## our own figures, each as a ratio to a bare Python loop in the same run (minutes)
	$(BIN)/typhoon bench word-count --input $(TEXT)
	$(BIN)/typhoon bench word-count --input $(TEXT) --emit-counts
	$(BIN)/typhoon bench word-count --input $(TEXT) --executors 1/4/4
	$(BIN)/typhoon bench word-count --input $(TEXT) --no-ack
	$(BIN)/typhoon bench word-count --input $(TEXT) --batch
	$(BIN)/typhoon bench word-count --input $(TEXT) --native
	$(BIN)/typhoon bench const --hops 4
	$(BIN)/typhoon bench latency --rate 500 --rounds 1 --seconds 60
	$(BIN)/typhoon bench latency --rate 10000 --rounds 1 --seconds 60
	$(BIN)/typhoon bench word-count --input $(TEXT) --workers 2 --transport tcp --seconds 4
	$(BIN)/typhoon bench word-count --input $(TEXT) --workers 2 --transport unix --seconds 4
	$(BIN)/typhoon bench latency --workers 2 --transport tcp --rate 500 --seconds 60
	$(BIN)/typhoon bench latency --workers 2 --transport tcp --rate 10000 --seconds 60
	$(BIN)/python benchmarks/growth.py --tuples 500000
	$(BIN)/python benchmarks/memory.py --input $(TEXT) --rounds 3 --seconds 3
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/recovery.py
	$(BIN)/python benchmarks/tls.py --input $(TEXT)
	$(MAKE) wheel
	$(BIN)/python benchmarks/disk.py

.PHONY: bench-scale
bench-scale: setup $(TEXT)  ## 1, 2, 4 ... workers, as many as there are cores, beside Bytewax and Storm
	$(BIN)/python benchmarks/scale.py --input $(TEXT) --peers

.PHONY: soak
soak: setup  ## a million lines through three workers, one of which is killed every second (two minutes)
	$(BIN)/python benchmarks/soak.py

.PHONY: bench-quick
bench-quick: $(STAMPS)/core $(TEXT)  ## the same in under a minute, for work on the hot path
	$(BIN)/typhoon bench word-count --input $(TEXT) --seconds 2
	$(BIN)/typhoon bench const --seconds 2

.PHONY: bench-peers
bench-peers: $(STAMPS)/core $(TEXT)  ## install and measure Storm and others beside us
	$(BIN)/python benchmarks/peers/run.py --input $(TEXT)

$(TEXT): | $(STAMPS)/base
	@mkdir -p $(@D)
	$(BIN)/python scripts/bench_text.py $@

# ---------------------------------------------------------------------------------------------------------------------
# What the chores stand on

$(STAMPS)/venv:
	@python=$$(scripts/preflight.sh $(PYTHON)) && $$python -m venv --clear $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/base: $(STAMPS)/venv requirements/base.txt requirements/build.txt
	$(PIP) --require-hashes -r requirements/base.txt -r requirements/build.txt
	@touch $@

$(STAMPS)/dev: $(STAMPS)/venv requirements/dev.txt requirements/data.txt
	$(PIP) --require-hashes -r requirements/dev.txt
	$(PIP) --require-hashes --no-deps -r requirements/data.txt
	@touch $@

$(STAMPS)/core: $(STAMPS)/base $(RUST_SOURCES) pyproject.toml
	@scripts/preflight.sh $(BIN)/python >/dev/null
	env -u CONDA_PREFIX PIP_QUIET=1 VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --release --locked
	@touch $@

$(STAMPS)/wheel: $(STAMPS)/base $(RUST_SOURCES) $(PYTHON_SOURCES) pyproject.toml README.md LICENSE
	rm -rf dist
	$(BIN)/maturin build --release --locked --interpreter $(BIN)/python --out dist
	@touch $@
