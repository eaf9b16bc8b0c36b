# `make run` and `make test` set everything up themselves, in .venv. Nothing has to be installed by hand but Python 3.11 and make.
VENV ?= .venv
PYTHON ?= python3
export VENV PYTHON
BIN = $(VENV)/bin

.PHONY: help run test check bench clean setup

help:
	@echo "make run    codes for a booking calendar, and two locks that open for them"
	@echo "make test   the whole test suite against the installed wheel, with branch coverage"
	@echo "make check  ruff and mypy --strict"
	@echo "make bench  speed as ratios, measured in one run"

setup:
	@tools/setup

run: setup
	@$(BIN)/python examples/run.py

test: setup
	OFFLINEPIN_TEST_INSTALLED=1 $(BIN)/pytest -n auto --benchmark-disable --cov --cov-report=term:skip-covered --cov-fail-under=95 tests

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	@mkdir -p out
	@$(BIN)/pytest benchmarks --benchmark-only --benchmark-disable-gc -q --benchmark-json=out/bench.json >out/bench.log || { cat out/bench.log; exit 1; }
	@$(BIN)/python benchmarks/ratios.py out/bench.json

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis out
