# The environment is .venv, made from pinned requirements. Each target does nothing when nothing changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PASSED := $(VENV)/tests-passed
SOURCES := $(shell find src bounds experiments tests docs reports -type f -not -path '*egg-info*' -not -name '*.pyc' 2>/dev/null) pyproject.toml README.md

.PHONY: demo test check format clean

demo: $(READY)
	$(BIN)/boundcheck demo

test: $(PASSED)
	@echo "make test: passed on $$(cat $(PASSED)); nothing changed since (make -B test runs them again)"

$(PASSED): $(READY) $(SOURCES)
	$(BIN)/python -m pytest
	@date > $(PASSED)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(READY): requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $(READY)

clean:
	rm -rf $(VENV) build dist src/*.egg-info
