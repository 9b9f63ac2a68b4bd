# One environment in .venv: the core first, the development tools on top of it.
# An environment is made again only when what it is made from has changed (see the stamps).

VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core-installed
DEV := $(VENV)/.dev-installed
# One thread a process: the work is spread over processes, and numeric libraries would fight for two cores.
export OMP_NUM_THREADS := 1
export PYTHONHASHSEED := 0
JOBS ?= 2

.PHONY: help demo test test-long conformance check format lint types imports bench locks clean

help:  ## Show what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/bin/python: deploy/find-python.sh
	@python="$$(./deploy/find-python.sh)" && "$$python" -m venv $(VENV) && $(BIN)/python -m pip install -q --disable-pip-version-check uv

$(CORE): $(VENV)/bin/python requirements-core.lock pyproject.toml
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -q --require-hashes -r requirements-core.lock
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -q --no-deps -e .
	@touch $@

$(DEV): $(CORE) requirements.lock
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -q -c requirements.lock -e '.[dev]'
	@touch $@

demo: $(CORE)  ## Run three strategies on embedded data: offline, no key, no service
	@$(BIN)/nqs demo $(ARGS)

test: $(DEV)  ## Run every test in its short form
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup -m "not slow" $(ARGS)

test-long: $(DEV)  ## Run the long form of the long suites
	@$(BIN)/python -m pytest -q -n $(JOBS) -m slow $(ARGS)

conformance: $(DEV)  ## Run every conformance case of both venues and print a table
	@$(BIN)/python -m pytest -q -n $(JOBS) -p tests.conformance -m "not slow" tests/integration/test_alpaca_adapter.py \
	    tests/integration/test_alpaca_simulated.py tests/integration/test_coinbase_adapter.py \
	    tests/unit/coinbase/test_data.py $(ARGS)

bench: $(DEV)  ## Measure speed and memory, as JSON in var/bench.json
	@$(BIN)/python -m tests.performance.bench $(ARGS)

check: format-check lint types imports test  ## Format, lint, types, import contracts, tests

format: $(DEV)  ## Format the code
	@$(BIN)/ruff format -q . && $(BIN)/ruff check -q --fix .

.PHONY: format-check
format-check: $(DEV)
	@$(BIN)/ruff format --check -q .

lint: $(DEV)
	@$(BIN)/ruff check -q .

types: $(DEV)
	@$(BIN)/mypy

imports: $(DEV)
	@$(BIN)/lint-imports --no-cache

locks: $(VENV)/bin/python  ## Compile both locks from one resolution (hashes, no hosts)
	@$(BIN)/uv pip compile -q --universal --python-version 3.12 pyproject.toml --all-extras --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.12 pyproject.toml -c requirements.lock --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate -o requirements-core.lock

clean:  ## Remove the environment and every result
	rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache .hypothesis
