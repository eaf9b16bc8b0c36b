# `make run` and `make test` set everything up themselves, in .venv. Nothing has to be installed by hand but Python 3.11 and make.
VENV ?= .venv
PYTHON ?= python3
export VENV PYTHON

# What is tested is the wheel, also in the processes that tests start: none of them may import the checkout because it runs in it.
SAFELY = PYTHONSAFEPATH=1
BIN = $(VENV)/bin

.PHONY: help run test check coverage bench serve firmware fuzz clean setup packages

help:
	@echo "make run    codes for a booking calendar, and two locks that open for them"
	@echo "make test   the whole test suite against the installed wheel"
	@echo "make check  ruff and mypy --strict"
	@echo "make bench  speed beside its peers, measured in one run"
	@echo "make serve  the server, with a demo workspace, two simulated locks and a printed key"
	@echo "make firmware  the C lock: sizes, steps beside the simulated lock, and timing"
	@echo "make fuzz   ten minutes of fuzzing the C lock; inputs stay in out/fuzz, and the next time goes on from them"

setup:
	@tools/setup

run: setup
	@$(BIN)/python examples/run.py

# what the tests use where it is there, and skip where it cannot be had
packages:
	@tools/packages

test: setup packages
	$(SAFELY) OFFLINEPIN_TEST_INSTALLED=1 $(BIN)/pytest -n auto --benchmark-disable tests

coverage: setup packages
	$(SAFELY) $(BIN)/pytest -n auto --benchmark-disable --cov --cov-report=term:skip-covered --cov-fail-under=95 tests

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	@mkdir -p out
	@$(BIN)/pytest benchmarks/test_single.py --benchmark-only --benchmark-disable-gc -q --benchmark-json=out/single.json >out/bench.log || { cat out/bench.log; exit 1; }
	@$(BIN)/pytest benchmarks -o pythonpath=benchmarks --ignore=benchmarks/test_single.py --benchmark-only --benchmark-disable-gc --benchmark-timer=time.process_time -q --benchmark-json=out/batch.json >out/bench.log || { cat out/bench.log; exit 1; }
	@$(BIN)/python benchmarks/ratios.py out/single.json out/batch.json

serve: setup
	@mkdir -p out
	@$(BIN)/offlinepin serve --demo out/demo

firmware: setup
	@$(BIN)/python -m offlinepin.firmware.measure
	@$(BIN)/python -m offlinepin.firmware.pair --steps 50000
	@$(BIN)/python -m offlinepin.firmware.timing

fuzz: setup
	@$(BIN)/python -m offlinepin.firmware.fuzzing --inputs out/fuzz

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis out
