# On a fresh Linux machine with Python 3.11 or 3.12: `make quickstart` trains and evaluates one policy, `make test` runs the tests.
SHELL := bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN := .venv/bin
ROWS ?= 100000

# pip in one line for each download that takes a while, and one for what follows the last.
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
BRIEFLY := sed --unbuffered --quiet --regexp-extended \
	-e 's/^ *((Downloading|Using cached) .*-[0-9.]+)-.* (\(.* [MG]B\)).*/\1 \3/p' -e 's/^Installing .*/Unpacking, about a minute/p'

.PHONY: quickstart test torture check gpu-day clean

quickstart: .venv/base data/cube-single-play-v0.npz
	$(BIN)/python -m eval.run --backbone drifting --algo dfp $(ARGS)
	$(BIN)/python -m tables laptop --runs runs

test: .venv/dev
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

torture: .venv/dev
	$(BIN)/python -m pytest -m torture

check: .venv/dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

gpu-day: .venv/dev
	$(BIN)/python -m eval.gpu_day $(ARGS)

data/cube-single-play-v0.npz: | .venv/base
	$(BIN)/python -m envs.generate cube-single-task2 --rows $(ROWS)

.venv/base: pyproject.toml constraints.txt
	@echo "Installing into .venv"
	@$(PYTHON) -m venv .venv
	@$(PIP) --editable . | $(BRIEFLY)
	@touch $@

.venv/dev: pyproject.toml constraints.txt
	@echo "Installing into .venv"
	@$(PYTHON) -m venv .venv
	@$(PIP) --editable '.[dev,robomimic]' | $(BRIEFLY)
	@$(PIP) --no-deps robomimic==0.3.0 | $(BRIEFLY) # one test reads our files with its dataset class; the rest of it does not run here
	@touch $@ .venv/base

clean:
	rm -rf .venv data runs
