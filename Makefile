# Two commands set everything up: `make demo` and `make test`. Both may be run again at any time.
PYTHON ?= python3
VENV ?= .venv
# Most tests wait for processes of one thread: two at once take little more than half of the time.
PYTEST_FLAGS ?=
MUTATION_FLAGS ?=
PARALLEL ?= -n 2 --dist worksteal
TORCH := $(shell grep '^torch==' constraints.txt)
# Machines with a GPU often have no network: an interpreter named with PYTHON= is taken as it is.
GPU_PYTHON = $(if $(filter file,$(origin PYTHON)),$(VENV)/bin/python,$(PYTHON))
GPU_RESULTS ?= build/gpu
GPU_SUITE ?= gpu
# These alone are collected: other tests import packages that a machine with a GPU need not have.
GPU_TESTS = tests/gpu tests/attention/test_cuda.py
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
# Python compiles a module when it is first imported, and keeps that: of 20,000 modules most are never imported.
LATER := --no-compile
# Builds with the locked setuptools: in its own environment, pip would take the newest.
INSTALL := $(PIP) install --quiet $(LATER) --no-build-isolation --constraint constraints.txt --constraint lock.txt

.PHONY: demo test test-slow test-all mutation gpu first-gpu lint lint-types lint-style lint-workflows lint-js lock docs clean

demo: $(VENV)/.installed
	$(VENV)/bin/dctbench run
	$(VENV)/bin/dctbench report

test: $(VENV)/.test-installed
	$(VENV)/bin/python -m pytest -m "not slow" $(PARALLEL) $(PYTEST_FLAGS)

test-slow: $(VENV)/.test-installed
	$(VENV)/bin/python -m pytest -m slow $(PARALLEL) $(PYTEST_FLAGS)

# Both in one run, the slow ones first, so that neither worker waits for the other at the end of two.
test-all: $(VENV)/.test-installed
	$(VENV)/bin/python -m pytest $(PARALLEL) $(PYTEST_FLAGS)

# Do the tests notice when the code is changed? Hours of one core; MUTATION_FLAGS="stats compare --minutes 20" is less.
mutation: $(VENV)/.mutation-installed
	nice -n 19 $(VENV)/bin/python -m benchmarks.mutation $(MUTATION_FLAGS)

# Installs nothing. Stops at the first step that fails; results measured before it are in the store.
gpu: export PYTHONPATH := $(CURDIR)
gpu:
	@$(GPU_PYTHON) -m benchmarks.first_gpu --check
	mkdir -p $(GPU_RESULTS)
	$(GPU_PYTHON) -m pytest $(GPU_TESTS) -p no:cacheprovider $(PYTEST_FLAGS)
	$(GPU_PYTHON) -m dctbench run --suite suites/$(GPU_SUITE).toml --label $(GPU_SUITE) --progress plain \
		--store $(GPU_RESULTS)/results.sqlite --format json > $(GPU_RESULTS)/results.json

# The first minutes on a new kind of GPU: what it is, each way of timing beside the others, and a small suite.
first-gpu: export PYTHONPATH := $(CURDIR)
first-gpu:
	$(GPU_PYTHON) -m benchmarks.first_gpu --out $(GPU_RESULTS)

# Two at a time, and first the one that takes longest: the type checker.
lint: $(VENV)/.lint-installed
	@$(MAKE) --no-print-directory --jobs=2 lint-types lint-style lint-workflows lint-js

lint-types:
	$(VENV)/bin/mypy

lint-style:
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports

lint-workflows:
	$(VENV)/bin/zizmor --offline --quiet --persona=pedantic action.yml .github
	$(VENV)/bin/python -m tests.support.workflows build/workflows
	@if command -v actionlint >/dev/null; then actionlint && actionlint build/workflows/*.yml; \
		else echo "make lint: actionlint is not installed, so the workflows' syntax was not checked" >&2; fi

# The linter and the type checker of the page's scripts; nothing of npm is packaged or needed to run dctbench.
lint-js:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory reports/node_modules/.installed && \
		cd reports && npm run --silent check; \
		else echo "make lint: npm is not installed, so the page's scripts were not checked" >&2; fi

reports/node_modules/.installed: reports/package.json reports/package-lock.json
	cd reports && npm ci --silent --no-audit --no-fund
	@touch $@

# What documents show but nobody types: the figures and the drawing of the rooms.
docs: $(VENV)/.test-installed
	$(VENV)/bin/python -m benchmarks.documents
	$(VENV)/bin/python -m benchmarks.architecture

# The versions of everything but torch that development and CI install, for each Python and system they run on.
lock: $(VENV)/.installed
	$(PIP) install --quiet uv
	$(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --no-emit-package torch \
		--no-annotate --custom-compile-command 'make lock' --constraint constraints.txt pyproject.toml -o lock.txt

# torch goes first and pinned, so that nothing else decides which build of it comes.
$(VENV)/.installed: pyproject.toml constraints.txt lock.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "dctbench needs Python 3.11 or newer; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet $(LATER) --constraint lock.txt $(TORCH)
	$(INSTALL) setuptools wheel
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	$(INSTALL) --editable '.[test,executorch]'
	@touch $@

$(VENV)/.mutation-installed: $(VENV)/.test-installed
	$(INSTALL) --editable '.[mutation]'
	@touch $@

$(VENV)/.lint-installed: $(VENV)/.test-installed
	$(INSTALL) --editable '.[lint]'
	@touch $@

clean:
	rm -rf $(VENV) reports/node_modules build dist *.egg-info
