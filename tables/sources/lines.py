"""Lines of CSV files that others wrote: what every importer refuses, in one place."""

import csv
import difflib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from eval.config.methods import METHODS
from eval.results.record import PHASES
from tables.spec import TABLES

BY_LABEL = {method.label: name for name, method in METHODS.items()}
"""The names of methods that a file calls as the paper's tables do."""
TASKS = sorted({task for table in TABLES.values() for column in table.columns for task in column.tasks})

Line = TypeVar("Line")


def parsed(
    path: Path, required: Sequence[str], optional: Sequence[str], parse: Callable[[dict[str, str]], Line]
) -> Iterator[tuple[int, Line]]:
    """Every line that `parse` makes something of, with its number; the others are named on stderr, and so are tasks whose names
    look mistyped, each once."""
    asked: set[str] = set()
    for number, values in named(path, required, optional):
        if (task := values["task"]) not in asked and (meant := likely(task)):
            print(f"{path}, line {number}: task '{task}': did you mean {meant}?", file=sys.stderr)
        asked.add(task)
        try:
            yield number, parse(values)
        except ValueError as error:
            print(f"left out: {path}, line {number}: {error}", file=sys.stderr)


def named(path: Path, required: Sequence[str], optional: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines by their columns' names, numbered as in the file. ValueError for what is no such table."""
    columns, lines = read(path)
    if absent := [name for name in required if name not in columns]:
        raise ValueError(f"{path}: no column {absent[0]}; there must be {', '.join(required)} and may be {', '.join(optional)}")
    if twice := [name for name in (*required, *optional) if columns.count(name) > 1]:
        raise ValueError(f"{path}: {columns.count(twice[0])} columns {twice[0]}")
    for number, fields in lines:
        if len(fields) == len(columns):
            yield number, dict(zip(columns, map(str.strip, fields), strict=True))
        else:
            print(f"left out: {path}, line {number}: {len(fields)} fields, the header has {len(columns)}", file=sys.stderr)


def read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            columns = [name.strip() for name in next(lines, ())]
            return columns, [(lines.line_num, fields) for fields in lines if fields]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None


def likely(task: str) -> str:
    """The task of our tables that a name probably means; nothing where it is one, or another goal, size or amount of one."""
    known: dict[str, list[str]] = {}
    for name in TASKS:
        known.setdefault(without_numbers(name), []).append(name)
    words = without_numbers(task)
    if words in known:
        return ""
    near = difflib.get_close_matches(words, known, n=1, cutoff=0.88 if "-" in task else 0.7)
    return difflib.get_close_matches(task, known[near[0]], n=1, cutoff=0)[0] if near else ""


def without_numbers(task: str) -> str:
    """A task's name without goals, sizes and amounts of data: of the suite's others none then looks like a mistyped one."""
    return re.sub(r"-?\d+m?", "", task)


def given(values: dict[str, str], required: Sequence[str]) -> None:
    """ValueError for the first that is empty."""
    if empty := [name for name in required if not values[name]]:
        raise ValueError(f"no {empty[0]}")


def method(values: dict[str, str]) -> str:
    return BY_LABEL.get(values["method"], values["method"])


def phase(values: dict[str, str]) -> str:
    """The online one where the file has no phases."""
    found = values.get("phase") or "online"
    if found not in PHASES:
        raise ValueError(f"phase {found!r}: offline or online")
    return found


def whole(values: dict[str, str], name: str) -> int:
    if not values[name].isdecimal():
        raise ValueError(f"{name} {values[name]!r}: a whole number")
    return int(values[name])


def share(values: dict[str, str], name: str) -> float:
    """A share of episodes."""
    try:
        found = float(values[name])
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise ValueError(f"{name} {values[name]!r}: a share of episodes, from 0 to 1")
    return found
