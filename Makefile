# codingaxes in one command: `make` installs what is needed into .venv, runs the miniature and shows its numbers.
#
#   make run        the whole workflow with the default configuration, then the report (the default)
#   make test       all tests, as many at a time as there are cores
#   make test-fast  all but the slow ones, in two minutes on two cores
#   make test-long  those of many minutes: ten kills of a study, environments with torch, many networks
#   make test-slurm a small study through a real SLURM, which it installs (Debian packages), starts and stops;
#                   for root only, and skipped where a SLURM is configured
#   make bench      quick forms of all benchmarks, and which goals of speed and quality hold; on a quiet machine
#   make lint       everything that a change must pass besides the tests
#   make format     put the code into the one format
#   make docs       write the pages and pictures in docs/ that are made from the code
#   make zoo        train the miniature's networks again, in place of those in resources/zoo
#   make clean      remove results, logs and the miniature's data; .venv and shipped networks stay
#
# Settings, for instance `make run CORES=4`, `make PYTHON=/path/to/python3.12`, `make bench BENCH=/tmp/bench`:
PYTHON ?= python3
CORES ?= all
# The folder that gets what benchmarks measure.
BENCH ?= .bench

UV_VERSION := 0.13.9
# Looked up before .venv comes first on the path, so that an environment is never built out of itself.
BASE_PYTHON := $(shell command -v $(PYTHON) 2>/dev/null)
# With .venv first, `script:` and `shell:` of the workflow use the same Python.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := run
.DELETE_ON_ERROR:
.PHONY: run test test-fast test-long test-slurm bench lint format docs zoo clean

run: .venv/.installed
	snakemake --cores $(CORES)
	@if [ ! -e results/snakemake_report.html ] || [ results/report.html -nt results/snakemake_report.html ]; then \
		snakemake --report results/snakemake_report.html; \
	fi
	@echo
	@cat results/summaries/numbers.txt
	@echo
	@echo "figures  results/figures/"
	@echo "numbers  results/summaries/numbers.csv"
	@echo "report   results/report.html (open it in a browser; it needs no network)"

# As many tests at a time as there are cores, eight at most; a worker that is done takes tests from another.
PYTEST := python -m pytest --dist worksteal -n $(if $(filter all,$(CORES)),logical --maxprocesses 8,$(CORES))

test: .venv/.installed
	$(PYTEST)

test-fast: .venv/.installed
	$(PYTEST) -m "not slow and not long and not slurm"

test-long: .venv/.installed
	$(PYTEST) -m long

test-slurm: .venv/.installed
	python -m pytest -m slurm tests/cluster

bench: .venv/.installed
	python benchmarks/bench.py $(BENCH)

lint: .venv/.installed
	ruff check .
	ruff format --check .
	snakefmt --check .
	python .ci/lint_workflow.py
	python .ci/lint_workflow.py --configfile config/nsd.yaml
	python .ci/lint_workflow.py --configfile config/nsd.yaml config/nsd_thorough.yaml

format: .venv/.installed
	ruff check --fix-only .
	ruff format .
	snakefmt .

docs: .venv/.installed
	python docs/make_tables.py
	python docs/draw_steps.py
	python docs/make_scaling.py

# Networks that an interrupted `make zoo` has finished are not trained again.
zoo: .venv/.installed
	snakemake --cores $(CORES) --config 'zoo={retrain: true}' -- zoo
	rm -f resources/zoo/*
	for name in $$(tail -n +2 config/zoo.tsv | cut -f 1); do \
		cp results/networks/trained/$$name.safetensors results/networks/trained/$$name.json resources/zoo/; done

# Only what is made in a run: what is shipped (resources/zoo) or was downloaded (resources/nsd,
# resources/weights) stays.
clean:
	rm -rf logs resources/miniature resources/simulated_brain.npz
	if [ -d results ]; then find results -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +; fi

# An environment that is broken or half made is made anew; a sound one is only brought to the lock.
.venv/.installed: requirements.lock
	@test -n "$(BASE_PYTHON)" || { echo "There is no '$(PYTHON)' here: codingaxes needs Python 3.11 or newer;" \
		"say where it is with: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(BASE_PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "codingaxes needs Python 3.11 or newer, but $(BASE_PYTHON) is " + sys.version.split()[0] + "; choose another with: make PYTHON=/path/to/python3")'
	.venv/bin/python -m pip --version >/dev/null 2>&1 || "$(BASE_PYTHON)" -m venv --clear .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	.venv/bin/uv pip sync --require-hashes --compile-bytecode --python .venv/bin/python requirements.lock
	@touch $@
