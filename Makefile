# One command each; every one sets up what it needs, from nothing but make and a Python that is new enough.
#   make demo                           see it work
#   make test                           every check there is
#   make setup PYTHON=/path/to/python3  with a Python of your choice (after `make clean` if there is an environment)

PYTHON ?=
CANDIDATES = $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
VENV = .venv
BIN = $(VENV)/bin
PY = $(BIN)/python
STAMP = $(VENV)/.setup
PIP_INSTALL = -m pip install --quiet --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup demo shop test lint format bench chaos docs constraints clean python

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## Make .venv with everything in it, at the versions of constraints.txt

demo: $(STAMP) ## Send messages over real sockets to a local gateway
	@$(PY) docs/examples/demo.py

shop: $(STAMP) ## Run the example shop of docs/tutorial-durable.md, with a worker, a receiver and a gateway
	@$(PY) docs/examples/shop/run.py

test: lint ## Run every check: style, types, imports, tests
	@echo "== pytest"
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist worksteal

lint: $(STAMP) ## Run the checks that need no running: style, types, imports
	@echo "== ruff check"
	@$(BIN)/ruff check --quiet
	@echo "== ruff format --check"
	@$(BIN)/ruff format --check --quiet
	@echo "== mypy"
	@$(PY) -m mypy --no-error-summary
	@echo "== lint-imports"
	@$(BIN)/lint-imports --no-logo

format: $(STAMP) ## Rewrite the code in the project's style
	@$(BIN)/ruff check --quiet --fix --exit-zero
	@$(BIN)/ruff format

bench: $(STAMP) ## Measure the speed against plain requests and plain zeep (PEERS=1: and other packages that are installed)
	@$(PY) -m tests.bench $(if $(PEERS),--peers)

chaos: $(STAMP) ## Try what is promised about durable delivery amid kills, faults and restarts; SEED=N repeats one
	@$(PY) -m tests.chaos $(if $(SEED),--seed $(SEED))

docs: $(STAMP) ## Write the generated reference anew
	@$(PY) docs/generate.py

constraints: ## Raise constraints.txt to the newest versions that pyproject.toml allows
	@python="$$($(MAKE) --silent --no-print-directory python)" && \
	fresh="$$(mktemp -d)" && trap 'rm -rf "$$fresh"' EXIT && \
	"$$python" -m venv "$$fresh" && \
	"$$fresh/bin/python" $(PIP_INSTALL) hatchling && \
	"$$fresh/bin/python" $(PIP_INSTALL) --no-build-isolation --editable '.[dev]' && \
	"$$fresh/bin/python" -m pip freeze --disable-pip-version-check --exclude-editable > "$$fresh/found" && \
	{ echo "# What 'make setup' installs. Written by 'make constraints'."; cat "$$fresh/found"; } > constraints.txt

clean: ## Remove the environment and all that was made
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# hatchling comes first, and builds outside of isolation, so that its version too is the one in constraints.txt.
$(STAMP): pyproject.toml constraints.txt
	@if ! $(PY) -m pip --version >/dev/null 2>&1; then \
		python="$$($(MAKE) --silent --no-print-directory python)" && \
		echo "Making $(VENV) with $$python" && rm -rf $(VENV) && "$$python" -m venv $(VENV); \
	fi
	@echo "Installing into $(VENV) (once; about a minute)"
	@$(PY) $(PIP_INSTALL) --constraint constraints.txt hatchling
	@$(PY) $(PIP_INSTALL) --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@$(PY) -m compileall -q notify_core plugins  # pip does so with what it copies: the first start is as fast as any
	@touch $(STAMP)

# A name alone proves nothing: pyenv leaves names of Pythons that it will not start, and Debian's has no ensurepip
# until python3-venv is installed.
define SUITABLE
import sys
if sys.version_info < (3, 11):
    sys.exit("too old: " + sys.version.split()[0])
try:
    import ensurepip, venv
except ImportError as error:
    sys.exit("cannot make a virtual environment: " + str(error))
endef
export SUITABLE

python: ## Say which Python is used to make the environment
	@for python in $(CANDIDATES); do \
		if "$$python" -c "$$SUITABLE" >/dev/null 2>&1; then command -v "$$python"; exit; fi; \
	done; \
	{ \
		echo "No Python 3.11 or newer that can make a virtual environment. Tried:"; \
		for python in $(CANDIDATES); do echo "  $$python: $$("$$python" -c "$$SUITABLE" 2>&1 | head -n 1)"; done; \
		echo "Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python), or name it:"; \
		echo "  make setup PYTHON=/path/to/python3"; \
	} >&2; exit 1
