# kgwalk. `make help` lists what there is; the first target that needs it sets up .venv.
#
# PYTHON       interpreter to make .venv from, 3.10 or newer     make setup PYTHON=python3.12
# TORCH_INDEX  package index to take torch from, see README      make setup TORCH_INDEX=https://...
# PYTEST_ARGS  for pytest; -n0 for one process                   make test PYTEST_ARGS="-k beam -x"
# FUZZ_INPUTS  mutated inputs per reader                         make fuzz FUZZ_INPUTS=1000000
# TIDY_STATES  states that clang-tidy's analyzer looks at in a function; 225000 is its own default, five times as slow

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.up-to-date
RAY := .venv-ray
OLDEST := .venv-oldest
METADATA := pyproject.toml setup.py constraints.txt
CORE := $(wildcard csrc/core/*.cpp csrc/core/*.h csrc/bindings/*.cpp csrc/bindings/*.h)
CPP := $(wildcard csrc/*/*.cpp csrc/*/*.h)
PIP_OPTIONS := --disable-pip-version-check -qq
PIP := $(BIN)/python -m pip $(PIP_OPTIONS)
SPEED := $(basename $(notdir $(wildcard benchmarks/*_speed.py)))
FUZZ_INPUTS ?= 100000
TIDY_STATES ?= 20000
PYTEST_ARGS ?=
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
comma := ,
CSRC := $(MAKE) --no-print-directory -C csrc -j$(JOBS)

.DEFAULT_GOAL := help
.PHONY: help setup quickstart test test-python test-cpp test-packaging test-pykeen test-ray test-oldest test-torchrl lint lint-python lint-cpp format bench report sanitize fuzz docs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# --- set-up: one stamp; new metadata reinstalls, a changed C++ file only recompiles ---

setup: $(STAMP)  ## make .venv with everything to run, test and lint; again after a change: only what changed

$(STAMP): $(METADATA) $(CORE)
	@if [ -n "$(filter $(METADATA),$?)" ] || [ ! -x $(BIN)/python ]; then $(MAKE) --no-print-directory install; \
	 else echo "compiling the C++ core"; $(BIN)/python setup.py -q build_ext --inplace; fi
	@touch $@

# Bytecode is left to first use (--no-compile): only a small part of what is installed is ever imported.
# torch comes first and by its pin, from TORCH_INDEX if there is one: that index alone, as PyTorch's page says, so that
# no other index can answer for torch, and only here, so that it answers for nothing else.
.PHONY: install
install:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "kgwalk needs Python 3.10 or newer: make setup PYTHON=...")'
	@[ -x $(BIN)/python ] || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@$(PIP) install --no-compile "pip>=25.1"
	@echo "installing torch"
	@$(PIP) install --no-compile -c constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@echo "installing kgwalk and its tools, compiling the C++ core"
	@$(PIP) install --no-compile -c constraints.txt -e ".[agents,sb3]" --group dev

quickstart: setup  ## train a walker on the embedded Family graph and show its paths
	$(BIN)/kgwalk quickstart

# --- checks ---

test: test-cpp test-python  ## all tests: C++ core, then Python

# A worker a core, each with one thread: workers that share cores among their threads wait for each other.
test-python: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

test-cpp: setup
	$(CSRC) test

test-packaging: setup  ## build wheel and sdist, install them in bare venvs without torch, import
	$(BIN)/python -m tests.project.packaging

# Reinstalling compiles the core again: only where PyKEEN is not there yet.
test-pykeen: setup  ## our embedding models against PyKEEN's, and models that PyKEEN trained; installs the extra kge
	@$(BIN)/python -c 'from importlib.metadata import version; version("pykeen")' 2>/dev/null \
	  || $(PIP) install --no-compile -c constraints.txt -e ".[kge]"
	$(BIN)/python -m pytest tests/pykeen $(PYTEST_ARGS)

# An environment of its own, with the C++ core of .venv: where, constraints instead of those of constraints.txt, extras,
# what else.
define environment
@[ -x $(1)/bin/python ] || { echo "making $(1)"; $(PYTHON) -m venv $(1); }
@awk -F== 'NR == FNR {own[$$1]; print; next} !($$1 in own)' $(2) constraints.txt > $(1)/constraints.txt
@$(1)/bin/python -m pip $(PIP_OPTIONS) install --no-compile "pip>=25.1"
@echo "installing torch"
@$(1)/bin/python -m pip $(PIP_OPTIONS) install --no-compile -c $(1)/constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
@echo "installing kgwalk and its tools"
@KGWALK_COMPILED=1 $(1)/bin/python -m pip $(PIP_OPTIONS) install --no-compile -c $(1)/constraints.txt -e ".[$(3)]" pytest hypothesis $(4)
@touch $@
endef

# RLlib takes Gymnasium 1.2.2 only.
test-ray: setup $(RAY)/.up-to-date  ## a cluster on this machine, RLlib, and the environments on its Gymnasium; saves the outcome
	OMP_NUM_THREADS=1 $(RAY)/bin/python -m benchmarks.ray_leg --save -- $(PYTEST_ARGS)

$(RAY)/.up-to-date: pyproject.toml constraints.txt constraints-ray.txt
	$(call environment,$(RAY),constraints-ray.txt,agents$(comma)ray)

# What old releases warn of is theirs; tests/project is about this repository, not about what is installed. Old releases
# have wheels for old Pythons: 3.10 to 3.12.
test-oldest: setup $(OLDEST)/.up-to-date  ## the Python tests with the oldest releases that pyproject.toml allows, torch apart
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest -n $(JOBS) --ignore=tests/project -W ignore::DeprecationWarning $(PYTEST_ARGS)

$(OLDEST)/.up-to-date: pyproject.toml constraints.txt constraints-oldest.txt
	$(call environment,$(OLDEST),constraints-oldest.txt,agents$(comma)sb3$(comma)rdf$(comma)pettingzoo$(comma)minari,pytest-xdist)

test-torchrl: setup  ## walkers as a TorchRL environment, and its PPO on Family; installs the extra torchrl
	@$(BIN)/python -c 'from importlib.metadata import version; version("torchrl")' 2>/dev/null \
	  || $(PIP) install --no-compile -c constraints.txt -e ".[torchrl]"
	$(BIN)/python -m pytest tests/torchrl $(PYTEST_ARGS)

lint: setup  ## everything static: ruff, mypy, stubs, spelling, clang-format, clang-tidy
	$(MAKE) --no-print-directory --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) lint-python lint-cpp

lint-python: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest kgwalk._core --mypy-config-file pyproject.toml --allowlist csrc/bindings/stubtest_allowlist.txt
	$(BIN)/codespell
	$(BIN)/python -m benchmarks.report --check

lint-cpp: setup
	$(BIN)/clang-format --dry-run -Werror $(CPP)
	printf '%s\n' $(wildcard csrc/core/*.cpp) | xargs -P $(JOBS) -I{} $(BIN)/clang-tidy --quiet {} -- -std=c++17 -Icsrc -Xclang -analyzer-config -Xclang max-nodes=$(TIDY_STATES)

format: setup  ## rewrite Python and C++ in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

sanitize: setup  ## C++ tests under ASan + UBSan and under TSan
	$(CSRC) sanitize

fuzz: setup  ## mutated files through every reader under ASan + UBSan
	$(CSRC) fuzz FUZZ_INPUTS=$(FUZZ_INPUTS)

# --- figures and pages ---

bench: setup  ## every benchmarks/*_speed.py, printed and saved under benchmarks/results
	for bench in $(SPEED); do $(BIN)/python -m benchmarks.$$bench --save || exit 1; done
	$(BIN)/python -m benchmarks.report

report: setup  ## BENCHMARKS.md, the README's results and the tables of docs/ from benchmarks/results
	$(BIN)/python -m benchmarks.report

docs: setup  ## build the site into site/
	$(PIP) install --no-compile -c constraints.txt --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean:  ## remove what was built, but not .venv
	rm -rf build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find kgwalk agents benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +
	-$(CSRC) clean
