# Every target does its own set-up: a fresh clone needs Python 3.11 or newer, pip and make, nothing else.
#
#   make PYTHON=python3.12 ...   another interpreter for the virtual environment
#   make TORCH_INDEX=URL ...     another package index to look for torch in (such as one of CPU builds)
#   make PYTEST_WORKERS=4 ...    more test processes
#   make DATA=some/folder ...    where the real data sets lie

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
TORCH_INDEX ?=
PYTEST_WORKERS ?= 2
DATA ?= ../shared/data

# The environment's own interpreter is always called by its path, so an active one does not matter;
# these two variables would change what it imports.
unexport PYTHONPATH PYTHONHOME

RUN := .venv/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check install --constraint constraints.txt
STAMP := .venv/.set-up

.PHONY: help setup test test-interop campaign counts lint typecheck imports pytest doctest demo bench reproduce clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP)  ## create .venv with the tested versions

$(STAMP): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is $$("$(PYTHON)" --version 2>&1). Name one: make PYTHON=python3.11 ..." >&2; \
	  exit 1; }
	@echo "[1/3] creating .venv with $$("$(PYTHON)" --version) ..."
	@"$(PYTHON)" -m venv .venv
	@echo "[2/3] installing torch (about 200 MB where pip finds the CPU build, a minute or two) ..."
	@$(PIP) $(if $(TORCH_INDEX),--extra-index-url "$(TORCH_INDEX)") torch
	@echo "[3/3] installing the package, the demo's and the developers' tools (about 400 MB, a minute or two) ..."
	@$(PIP) --quiet --editable '.[demo,formats,dev]'
	@touch $(STAMP)
	@echo "set up: .venv"

test: lint typecheck imports pytest doctest  ## run every check and test
	@echo "all checks and tests passed"

lint: $(STAMP)  ## ruff: rules and format
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

typecheck: $(STAMP)  ## mypy --strict
	$(RUN) -m mypy

imports: $(STAMP)  ## import contracts of pyproject.toml
	$(RUN) -c 'from importlinter.cli import lint_imports_command as run; run()'

# The tests also run README.md's code, the tutorials and the bundles on tiny data.
pytest: $(STAMP)  ## the tests
	OMP_NUM_THREADS=1 $(RUN) -m pytest --numprocesses $(PYTEST_WORKERS) --dist loadfile --quiet

doctest: $(STAMP)  ## the examples in the docstrings
	OMP_NUM_THREADS=1 $(RUN) -m pytest --doctest-modules --quiet monai_unlearnable

# Programs of other people: it fails where one is missing and cannot be installed.
test-interop: $(STAMP)  ## released files in dciodvfy, dcm2niix, Orthanc, ...; installs these Debian packages
	$(RUN) -m tests.interop.install
	OMP_NUM_THREADS=1 $(RUN) -m pytest -m '' --quiet tests/interop

# `make test` runs small parts of both. The disks of the campaign take root; elsewhere they are left out with a reason.
campaign: $(STAMP)  ## kill runs, fill disks, damage files; writes docs/campaign.json (an hour)
	$(RUN) -m tests.campaign.run

counts: $(STAMP)  ## protect, verify, restore every real file there is; writes docs/counts.md
	$(RUN) -m tests.campaign.counts --data "$(DATA)"

demo: $(STAMP)  ## protect, verify and audit real MR slices (under five minutes)
	$(RUN) tutorials/demo.py --output demo_output

bench: $(STAMP)  ## measure speed and memory
	$(RUN) -m tests.benchmarks.run --output bench_output

reproduce: $(STAMP)  ## recompute the published figures (a day and more; it goes on where it was stopped)
	$(RUN) bundles/classification_protection/reproduce.py --data "$(DATA)"
	$(RUN) bundles/segmentation_protection/reproduce.py --data "$(DATA)"
	$(RUN) bundles/volume_protection/reproduce.py --data "$(DATA)"
	$(RUN) bundles/classification_protection/countermeasures.py --data "$(DATA)"
	$(RUN) bundles/segmentation_protection/countermeasures.py --data "$(DATA)"
	$(RUN) bundles/segmentation_protection/adversarial_training.py --data "$(DATA)"

clean:  ## remove .venv and everything generated
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf demo_output bench_output reproduce_output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
