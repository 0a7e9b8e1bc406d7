# Everything on a machine with Python >= 3.10 (venv) and make. Each target sets up .venv by itself. `make help` lists them.
#
# The levels of tests need: kernel: root, /dev/kmsg, a memory cgroup, cc; collector: Go (builds a Collector once) or an
# otelcol-contrib on PATH, promtool; container: podman, buildah, runc, mmdebstrap; vm: QEMU, busybox-static, cpio,
# and apt of Debian 12, which has the guests' kernels.
# OTEL_OOM_REQUIRE=all turns a skipped test into a failure. WORKERS: processes of the levels that run in several ones.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
WORKERS ?= auto
# Levels that only compute: one process for each core.
COMPUTING := plain fuzz
# Levels that share this kernel, its log and its counter: one test after another.
SHARING := kernel crash faults disk collector packaging container
SOURCES := pyproject.toml README.md $(shell find otel_oom -type f -not -name '*.pyc')

.PHONY: demo help test test-computing test-sharing test-vm plain check lint types coverage collector tables docs lock crash storms outage peers fuzz mutants bench packages clean FORCE

demo: $(VENV)/demo.stamp ## show one OOM kill and its record; the first run makes .venv (1 to 2 minutes)
	@$(BIN)/otel-oom demo

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' Makefile | while IFS='	' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done
	@echo '  PYTHON=python3.12 makes .venv with that interpreter.'

test: $(VENV)/test.stamp collector ## run every level of tests that this machine can run; as root with real OOM kills in small cgroups
	$(MAKE) --no-print-directory --keep-going -j1 test-computing test-sharing test-vm

test-computing: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n $(WORKERS) $(COMPUTING:%=tests/%)

test-sharing: $(VENV)/test.stamp
	$(BIN)/python -m pytest $(SHARING:%=tests/%)

# After the other levels, and one at a time: without KVM a guest is so slow that beside another one its disk does not
# answer within 1 s.
test-vm: $(VENV)/test.stamp
	$(BIN)/python -m pytest tests/vm

plain: $(VENV)/test.stamp ## run the tests that need no root, kernel log or network
	$(BIN)/python -m pytest -n $(WORKERS) tests/plain

check: lint types test ## lint, types and every level of tests: what CI runs

lint: $(VENV)/test.stamp ## check style, format and the CI workflow
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --quiet --offline --no-progress .github/workflows

types: $(VENV)/test.stamp ## check the types
	$(BIN)/mypy otel_oom tests benchmarks

coverage: $(VENV)/test.stamp ## measure the branch coverage of the plain level; fails below 95 %
	$(BIN)/python -m pytest -q tests/plain --cov --cov-report=term-missing:skip-covered

# Built once and cached outside the checkout. Without Go the tests that need it say so themselves.
collector: $(VENV)/test.stamp
	-@$(BIN)/python tests/collector/otelcol.py

tables: $(VENV)/test.stamp ## write the generated tables of docs/ and deploy/weaver (from the code and from benchmarks/results)
	OTEL_OOM_TABLES=write $(BIN)/python -m pytest -q tests/plain/docs/test_generated.py tests/plain/docs/test_weaver_registry.py tests/plain/test_kubernetes_manifests.py

# The versions that images and packages install, each with the hashes of its files: one file for every Python and platform.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --custom-compile-command 'make lock'

lock: | $(BIN)/python ## write deploy/*.lock: the newest versions that pyproject.toml allows, with hashes
	$(PIP) 'uv>=0.9,<1'
	$(LOCK) --upgrade --output-file deploy/requirements.lock pyproject.toml
	sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' pyproject.toml | $(LOCK) --upgrade --output-file deploy/build.lock -

# The variable silences a notice about the future of MkDocs, see pyproject.toml.
docs: $(VENV)/test.stamp ## build the documents as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

crash: $(VENV)/test.stamp ## run the long crash tests: 200 SIGKILLs and pauses of 60 s, both protocols (12 min)
	OTEL_OOM_CRASHES=200 OTEL_OOM_PAUSE_S=60 $(BIN)/python -m pytest -q tests/crash

storms: $(VENV)/test.stamp ## run all storms of kills in guests: both kernels, cgroup v1 and v2, small and large victims (30 min)
	OTEL_OOM_STORMS=all $(BIN)/python -m pytest -q tests/vm/test_storm.py

outage: $(VENV)/test.stamp ## run the long outage test: 10,000 events, ten minutes without a collector
	OTEL_OOM_OUTAGE_S=600 $(BIN)/python -m pytest -q tests/faults/test_outage.py

peers: $(VENV)/test.stamp ## run the captures through cAdvisor and node-problem-detector too (needs Go)
	$(BIN)/python benchmarks/peers/peers.py

fuzz: $(VENV)/test.stamp ## fuzz each parser with 10 million inputs (hours)
	for target in record assembler text; do nice -n 19 $(BIN)/python tests/fuzz/fuzz.py $$target -runs=10000000 || exit 1; done

# MUTANTS_S: seconds; MUTANTS: packages, or --only otel_oom/kernel/oom_report.py, or --seed 2
mutants: $(VENV)/mutants.stamp ## change kernel/, spool/ and otlp/ at random and list changes that no plain test notices (20 min)
	nice -n 19 $(BIN)/python tests/mutants.py --seconds $(or $(MUTANTS_S),1200) $(MUTANTS)

# MEASURES: some of them (benchmarks/report.py lists all); SHORT=--short: only to see that they run
bench: $(VENV)/test.stamp ## measure everything beside other programs into benchmarks/RESULTS.md (root, Go, quiet; 20 min)
	PYTHONPATH=.:tests $(BIN)/python -m benchmarks.bench $(SHORT) $(MEASURES)

packages: $(VENV)/test.stamp ## build the deb and the rpm into dist/, of the locked versions (needs Python 3.11 and Go)
	$(BIN)/python deploy/packages/build.py dist

clean: ## remove .venv and everything that was built
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*

$(VENV)/demo.stamp: $(SOURCES) | $(BIN)/python
	@echo 'make: installing into $(VENV) …'
	@$(PIP) --force-reinstall --no-deps . && $(PIP) .
	@touch $@

$(VENV)/test.stamp: pyproject.toml | $(BIN)/python
	@echo 'make: installing into $(VENV) …'
	$(PIP) --editable '.[test,docs]'
	@touch $@

$(VENV)/mutants.stamp: pyproject.toml $(VENV)/test.stamp
	$(PIP) --editable '.[test,docs,mutants]'
	@touch $@

# An interpreter as one line: whether it is new enough, its version, and where it is installed (the same in its venvs).
INTERPRETER := import sys; print(int(sys.version_info >= (3, 10)), *sys.version_info[:3], sys.base_prefix)
USED := $(shell test -e $(VENV) && { $(BIN)/python -c '$(INTERPRETER)' 2>/dev/null || echo gone; })

# Why .venv cannot be used as it is. Without PYTHON=… on the command line or in the environment it stays what it is.
ifeq ($(USED),gone)
STALE := its Python does not run
else ifeq ($(firstword $(USED)),0)
STALE := its Python is too old
else ifneq ($(USED),)
ifneq ($(origin PYTHON),file)
ifneq ($(USED),$(shell $(PYTHON) -c '$(INTERPRETER)'))
STALE := its Python is not $(PYTHON)
endif
endif
endif

ifneq ($(STALE),)
$(VENV)/demo.stamp $(VENV)/test.stamp $(BIN)/python: FORCE
endif

$(BIN)/python:
	@$(PYTHON) -c '$(INTERPRETER)' | grep -q ^1 || { echo 'make: $(PYTHON) is no Python 3.10 or later; name one: make PYTHON=python3.12' >&2; exit 1; }
	$(if $(STALE),@echo 'make: $(VENV) is made again: $(STALE)')
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; } # half a venv would pass for a whole one next time
