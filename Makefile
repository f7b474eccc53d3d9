# Edgewright: `make demo` shows the whole loop, `make test` proves it. Both set themselves up in $(VENV).
VENV   ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
ARGS   ?=
B      ?= delta agent optimize profiles detectors checkin gates rollout
T      ?= delta_apply manifest_decode oip_request order_envelope tuf_metadata
S      ?= 60

unexport PYTHONDONTWRITEBYTECODE  # with it, every test that starts a process would compile what that imports

.PHONY: demo test check bench test-all test-postgres test-optimize campaign fuzz conformance format clean help

help: ## these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

demo: $(VENV)/.demo ## the whole loop on this machine, in about two minutes (ARGS='--json' or '--keep')
	@$(BIN)/edgewright demo $(ARGS)

test: $(VENV)/.dev ## the quick tests
	$(BIN)/python -m pytest -m "not chromium and not slow and not e2e and not optimize" -n 2 --dist worksteal

check: $(VENV)/.dev ## style, types, import rules, the documentation's commands
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/run_commands.py

test-all: test ## these and the longer ones, with the Debian packages that they need
	@./debian-packages.sh
	$(BIN)/python -m pytest -m "(chromium or e2e) and not slow and not optimize" -n 2 --dist worksteal

test-postgres: export EDGEWRIGHT_TEST_DATABASE = postgresql
test-postgres: $(VENV)/.dev ## the hub's tests again, on a PostgreSQL of Debian's package that they start and stop
	@./debian-packages.sh postgresql
	$(BIN)/python -m pytest tests/hub -m "not chromium and not slow and not e2e and not optimize" -n 2 --dist worksteal $(ARGS)

test-optimize: export EDGEWRIGHT_TOOLCHAINS = $(abspath $(VENV)/toolchains)
test-optimize: $(VENV)/.dev-optimize ## what needs torch, OpenVINO, LiteRT, Vela and an emulated arm64: 4 GB of toolchains at first
	@$(BIN)/edgewright hub toolchain install litert
	@$(BIN)/edgewright hub toolchain install arm64 || echo "going without arm64: its tests are skipped" >&2
	$(BIN)/python -m pytest -m "optimize and not slow" -n 2 $(ARGS)

bench: $(foreach name,$(B),$(VENV)/.$(or $(filter bench-delta bench-optimize bench-detectors,bench-$(name)),bench)) ## figures against peers (B='checkin rollout': some of them; delta: an hour at first, ARGS=--quick a minute)
	@$(if $(filter delta,$(B)),command -v xdelta3 zstd >/dev/null || ./debian-packages.sh xdelta3 zstd)
	@for name in $(B); do $(BIN)/python bench/$$name.py $(ARGS) || exit 1; done

campaign: $(VENV)/.dev ## the long forms of tests (EDGEWRIGHT_MUTANTS=10: ten times as many; EDGEWRIGHT_SEED=7: others)
	$(BIN)/python -m pytest -m "slow and not optimize" $(ARGS)

fuzz: $(VENV)/.fuzz ## fuzz what parses hostile bytes (T='delta_apply', S=600 seconds each)
	@for target in $(T); do $(BIN)/python fuzz/run.py $$target --seconds $(S) || exit 1; done

conformance: $(VENV)/.dev ## the agent's TUF client against a checkout of theupdateframework/tuf-conformance (SUITE=DIR)
	@test -f "$(SUITE)/tuf_conformance/conftest.py" || \
	  { echo "error: SUITE='$(SUITE)' is no checkout of theupdateframework/tuf-conformance" >&2; exit 2; }
	@./debian-packages.sh faketime
	@test -x $(VENV)/conformance/bin/python || $(PYTHON) -m venv $(VENV)/conformance
	@$(VENV)/conformance/bin/python -m pip install --quiet --disable-pip-version-check --editable "$(SUITE)"
	$(VENV)/conformance/bin/python -m pytest -q -p no:cacheprovider "$(SUITE)/tuf_conformance" $(ARGS) \
	  --entrypoint "$(abspath $(BIN)/edgewright-agent) tuf"

format: $(VENV)/.dev ## put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the environment and what the tools left
	rm -rf $(VENV) demo-run .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or 3.12 is not on the PATH" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "help: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.demo $(VENV)/.dev $(VENV)/.dev-optimize $(VENV)/.bench $(VENV)/.bench-delta $(VENV)/.bench-optimize $(VENV)/.bench-detectors $(VENV)/.fuzz: $(VENV)/.%: pyproject.toml | $(VENV)/bin/python
	@echo "installing edgewright[$*] into $(VENV)" >&2
	@$(PIP) --editable '.[$*]'
	@touch $@
