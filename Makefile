# One command each: `make run` sets up and runs the main job, `make test` sets up and runs the tests.
PYTHON ?= python3
PROFILE ?= demo
# Where torch comes from, if not from pip's own index: e.g. https://download.pytorch.org/whl/cpu keeps CUDA away.
TORCH_INDEX ?=
BENCH ?=
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install run test story lint ui bench

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c "import venv, ensurepip" 2>/dev/null || { echo "Python's venv module is missing: install it (Debian: apt install python3-venv)"; exit 1; }
	@$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))" || { echo "Python 3.11 to 3.13 is needed: make PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (a minute or two) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-compile $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) $(shell grep '^torch==' requirements.lock)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --no-deps --editable .
	@# Bytecode is compiled once here: without it every start pays for it again where writing bytecode is off.
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib pipelines assets resources llm_core >/dev/null 2>&1 || true
	@touch $(INSTALLED)

run: install
	$(BIN)/tidemill run --profile $(PROFILE)

test: install
	$(BIN)/python -m pytest -n 2 --dist worksteal

story: install
	@$(BIN)/python -m pipelines.story

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy pipelines assets resources llm_core
	$(BIN)/lint-imports --no-cache

ui: install
	$(BIN)/tidemill ui --profile $(PROFILE)

bench: install
	$(BIN)/tidemill bench $(BENCH)
