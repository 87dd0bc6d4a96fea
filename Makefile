# On a fresh Linux machine with Python 3.11: `make quickstart` trains and evaluates one policy, `make test` runs the tests.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: quickstart test torture check clean

quickstart: .venv/base data/cube-single-play-v0.npz
	$(BIN)/python -m eval.run --backbone drifting --algo dfp
	$(BIN)/python -m tables quick --runs runs

test: .venv/dev
	$(BIN)/python -m pytest

torture: .venv/dev
	$(BIN)/python -m pytest -m torture

check: .venv/dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

data/cube-single-play-v0.npz: | .venv/base
	$(BIN)/python -m envs.generate cube-single-task2 --rows 100000

.venv/base: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	touch $@

.venv/dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable '.[dev,robomimic]'
	$(INSTALL) --no-deps robomimic==0.3.0 # one test reads our files with its dataset class; the rest of it does not run here
	touch $@ .venv/base

clean:
	rm -rf .venv data runs
