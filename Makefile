# Two commands set everything up: `make demo` and `make test`. Both may be run again at any time.
PYTHON ?= python3
VENV ?= .venv
PYTEST_FLAGS ?=
TORCH := $(shell grep '^torch==' constraints.txt)
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check

.PHONY: demo test test-slow lint clean

demo: $(VENV)/.installed
	$(VENV)/bin/dctbench run
	$(VENV)/bin/dctbench report

test: $(VENV)/.test-installed
	$(VENV)/bin/python -m pytest -m "not slow" $(PYTEST_FLAGS)

test-slow: $(VENV)/.test-installed
	$(VENV)/bin/python -m pytest -m slow $(PYTEST_FLAGS)

lint: $(VENV)/.lint-installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# torch goes first and pinned, so that nothing else decides which build of it comes.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "dctbench needs Python 3.11 or newer; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet $(TORCH)
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

$(VENV)/.lint-installed: $(VENV)/.test-installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[lint]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
