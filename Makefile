# Edgewright: `make demo` shows the whole loop, `make test` proves it. Both set themselves up in $(VENV).
VENV   ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
ARGS   ?=
B      ?= delta agent profiles

.PHONY: demo test check bench test-all format clean help

help: ## these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

demo: $(VENV)/.demo ## the whole loop on this machine, in about two minutes (ARGS='--json' or '--keep')
	@$(BIN)/edgewright demo $(ARGS)

test: $(VENV)/.dev ## the quick tests
	$(BIN)/python -m pytest -m "not chromium and not slow and not e2e" -n 2

check: $(VENV)/.dev ## style, types, import rules, the documentation's commands
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/run_commands.py

test-all: $(VENV)/.dev ## all tests, with the Debian packages that they need
	@./debian-packages.sh
	$(BIN)/python -m pytest -m "not slow" -n 2

bench: $(VENV)/.bench ## figures against peers, one JSON line each (B='delta agent profiles')
	@for name in $(B); do $(BIN)/python bench/$$name.py || exit 1; done

format: $(VENV)/.dev ## put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the environment and what the tools left
	rm -rf $(VENV) demo-run .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or 3.12 is not on the PATH" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "help: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.demo $(VENV)/.dev $(VENV)/.bench: $(VENV)/.%: pyproject.toml | $(VENV)/bin/python
	@echo "installing edgewright[$*] into $(VENV)" >&2
	@$(PIP) --editable '.[$*]'
	@touch $@
