# Everything on a fresh machine with Python >= 3.10 (venv) and make; each target does its own set-up in .venv.
#
#   make demo    a first OOM kill on screen
#   make test    every level of tests that this machine can run; what was skipped, and why, stands at the end.
#                The guests of tests/vm run beside the other levels: they sleep most of the time
#   make check   lint, types and tests: what CI runs
#   make docs    the documentation as a site, in build/site
#   make crash   the long form of the crash tests: 200 SIGKILLs and pauses of 60 s, on both protocols (12 min)
#   make outage  10,000 events through an outage of ten minutes
#   make peers   the same captures through cAdvisor and node-problem-detector (Go)
#   make fuzz    10 million inputs for each target (hours)
#   make bench   how long a record is on its way, and what the agent takes, beside the SDK's own
#
# The levels need: kernel: root, /dev/kmsg, a memory cgroup, cc; collector: Go (builds a Collector once) or an
# otelcol-contrib on PATH, promtool; vm: QEMU, busybox-static, cpio, and apt of Debian 12, which has the guests' kernels.
# OTEL_OOM_REQUIRE=all makes a skip a failure.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OTHERS := plain fuzz kernel crash faults disk collector packaging
SOURCES := pyproject.toml README.md $(shell find otel_oom -type f -not -name '*.pyc')

.PHONY: demo test test-vm test-others lint types check collector readme docs crash outage peers fuzz bench clean

demo: $(VENV)/demo.stamp
	@$(BIN)/otel-oom demo

test: $(VENV)/test.stamp collector
	$(MAKE) --no-print-directory -j2 --output-sync=target test-vm test-others

test-others: $(VENV)/test.stamp
	$(BIN)/python -m pytest $(OTHERS:%=tests/%)

# What others promise within milliseconds has the processors first.
test-vm: $(VENV)/test.stamp
	nice -n 5 $(BIN)/python -m pytest tests/vm

check: lint types test

lint: $(VENV)/test.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/test.stamp
	$(BIN)/mypy otel_oom tests benchmarks

# Built once and cached outside the checkout. Without Go the tests that need it say so themselves.
collector: $(VENV)/test.stamp
	-@$(BIN)/python tests/collector/otelcol.py

# The tables of docs/ that are made from the code and from benchmarks/results.
readme: $(VENV)/test.stamp
	OTEL_OOM_README=write $(BIN)/python -m pytest -q tests/plain/docs/test_generated.py

# The site, in build/site.
docs: $(VENV)/test.stamp
	$(BIN)/mkdocs build --strict

crash: $(VENV)/test.stamp
	OTEL_OOM_CRASHES=200 OTEL_OOM_PAUSE_S=60 $(BIN)/python -m pytest -q tests/crash

outage: $(VENV)/test.stamp
	OTEL_OOM_OUTAGE_S=600 $(BIN)/python -m pytest -q tests/faults/test_outage.py

peers: $(VENV)/test.stamp
	$(BIN)/python benchmarks/peers/peers.py

fuzz: $(VENV)/test.stamp
	for target in record assembler text; do nice -n 19 $(BIN)/python tests/fuzz/fuzz.py $$target -runs=10000000 || exit 1; done

bench: $(VENV)/test.stamp
	$(BIN)/python benchmarks/latency.py
	$(BIN)/python benchmarks/footprint.py

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/demo.stamp: $(SOURCES) | $(BIN)/python
	@$(BIN)/pip install -q --disable-pip-version-check --force-reinstall --no-deps . && $(BIN)/pip install -q --disable-pip-version-check .
	@touch $@

$(VENV)/test.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check --editable '.[test,docs]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; } # half a venv would pass for a whole one next time
