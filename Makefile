# A few verbs that do everything. `make` alone lists them.

# The first Python that is new enough; PYTHON=/path/to/python chooses another.
IS_NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python $(IS_NEW_ENOUGH) 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# What `pms up` or `pms demo` is told, as in: make up ARGS="--port 8080"
ARGS ?=
# What pytest is told, as in: make test TESTS="tests/unit -x"
TESTS ?=

# What `make bench` measures, and whether it hurries: make bench ONLY="accept reads" SHORT=1
ONLY ?=
SHORT ?=

# What `make fuzz`, `faults` and `soak` follow from, and how hard they try.
SEED ?= $(shell date +%s)
REQUESTS ?= 25
TALKS ?= 200
# How long `make faults` and `make soak` break things at random, in minutes.
MINUTES ?= 1
# With LOAD=bench, `make faults` has the benchmark's load beside each fault.
LOAD ?=

.DEFAULT_GOAL := help
.PHONY: help up demo test browser-test check fuzz faults soak bench lock clean

help: ## List what there is to do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: .venv/.installed ## Start everything on this machine; Ctrl-C stops it
	@$(BIN)/pms up $(ARGS)

demo: .venv/.installed ## Play a month of a shop on the running service, and check it
	@$(BIN)/pms demo $(ARGS)

test: check ## Check the code, then run all tests
	$(BIN)/python -m pytest -n auto --maxprocesses 4 $(TESTS)

browser-test: .venv/.installed-browser ## Look at the dashboard with a real Chromium; pictures in build/browser
	$(BIN)/python -m pytest tests/browser --timeout 180 $(TESTS)

fuzz: .venv/.installed-dev ## Throw everything at a running service: make fuzz SEED=7 REQUESTS=100
	FUZZ_SEED=$(SEED) FUZZ_REQUESTS=$(REQUESTS) FUZZ_TALKS=$(TALKS) \
		$(BIN)/python -m pytest tests/fuzz -s --timeout 3600

faults: .venv/.installed-dev ## Break everything, for a quarter of an hour: make faults SEED=7
	FAULT_LOAD=$(LOAD) FAULT_SEED=$(SEED) FAULT_MINUTES=$(MINUTES) FAULT_REPORT=build/faults.md \
		$(BIN)/python -m pytest tests/faults -m "long or not long" --timeout 1200 $(TESTS)

soak: .venv/.installed-dev ## Break things at random for so long: make soak MINUTES=10 SEED=7
	FAULT_SEED=$(SEED) FAULT_MINUTES=$(MINUTES) FAULT_REPORT=build/soak.md \
		$(BIN)/python -m pytest tests/faults/test_soak.py -m long --timeout 0 $(TESTS)

bench: .venv/.installed-dev ## Measure ours against its peers: make bench ONLY=accept SHORT=1
	$(BIN)/python -m tests.bench $(if $(SHORT),--short) $(ONLY)

check: .venv/.installed-dev ## Check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml db workers tasks web

clean: ## Remove what was made here; the data folder stays
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found; \
	if it is installed elsewhere: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) $(IS_NEW_ENOUGH) || { echo "PYTHON=$(PYTHON) is older than 3.11, or cannot be \
	run; choose another: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "$(PYTHON) cannot make a virtual \
	environment; on Debian and Ubuntu, install python3-venv" >&2; exit 1; }

# The locks hold setuptools too, so that the package itself installs without a download. They are
# complete, so pip shall not look for more: some of its versions take a newer release for an extra
# (pydantic[email]) than the one that is pinned, and then refuse it.
.venv/.installed: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing what it needs into .venv ..."
	@$(PIP) install --no-deps --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/.installed-dev: requirements-dev.lock pyproject.toml | .venv/bin/python
	@echo "Installing what it and its tests need into .venv ..."
	@$(PIP) install --no-deps --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ .venv/.installed

.venv/.installed-browser: requirements-browser.lock .venv/.installed-dev
	@echo "Installing what drives a browser into .venv ..."
	@$(PIP) install --no-deps --require-hashes -r requirements-browser.lock
	@touch $@

# One lock for every system and Python that we support. Versions already locked stay, unless
# pyproject.toml asks for others; remove a lock first to renew it wholly.
COMPILE = echo 'setuptools>=77' | build/lock/bin/uv pip compile pyproject.toml - --quiet \
	--no-config --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --no-annotate

lock: ## Pin again what pyproject.toml asks for
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip --disable-pip-version-check --quiet install 'uv>=0.13'
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock
	$(COMPILE) --extra dev --extra browser --constraint requirements-dev.lock \
		--output-file requirements-browser.lock
