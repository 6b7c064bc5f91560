# `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --quiet --disable-pip-version-check
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready

.PHONY: help run rollout test fleet corpus check bench guard clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: $(INSTALLED) ## set up and run everything on this machine: http://127.0.0.1:8000
	@exec $(BIN)/detection-api up

rollout: $(INSTALLED) ## beside a `make run`: traffic, and a rollout from 0 to 100% with its report
	@exec $(BIN)/detection-api demo rollout

test: $(READY) ## the whole suite with coverage, in parallel, on servers that it starts itself
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal \
	  --cov --cov-report=term-missing:skip-covered

fleet: $(READY) ## whole fleets under load and kills: minutes, on a machine with nothing else to do
	$(BIN)/python -m pytest -m fleet

corpus: $(READY) ## roll out every wrong domain of the corpus and print where it was stopped: minutes
	$(BIN)/python -m tests.corpus

check: $(READY) ## lint, format, strict types, import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## measure speed, as ratios in one run: three quarters of an hour; ROWS=10M adds the largest world
	$(BIN)/python -m benchmarks $(if $(ROWS),--rows $(ROWS))

guard: $(READY) ## compute how many requests pass until the guard fires, by failure rate
	$(BIN)/python -m benchmarks.run_lengths

clean: ## remove the environment and caches; the data in instance/ stays
	rm -rf $(VENV) .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12"; exit 1; }
	@echo "Installing what it takes to run into $(VENV), which takes about half a minute ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --constraint requirements.lock setuptools
	@$(PIP) --constraint requirements.lock --no-build-isolation --editable '.[embedded]'
	@touch $@

$(READY): $(INSTALLED)
	@echo "Installing the tools of development into $(VENV), which takes about half a minute ..."
	@$(PIP) --requirement requirements.lock
	@touch $@
