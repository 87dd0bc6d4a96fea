"""The numbers that the paper prints (arXiv 2605.07727), read from published.toml."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from tables.cells import assemble
from tables.result import Cell, Line, Number, Result
from tables.spec import TABLES

SOURCE = "As printed in arXiv 2605.07727"


@cache
def read() -> dict[str, Any]:
    """The file, by the tables' names."""
    tables = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
    return {name.removeprefix("table-"): table for name, table in tables.items()}


def parse(text: str, seeds: int = 0) -> tuple[Number, ...]:
    """'90.4 ± 7.1 → 97.6 ± 2.2' as a number for each phase."""

    def number(mean: str, _: str, std: str) -> Number:
        return Number(float(mean), float(std) if std else None, seeds)

    return tuple(number(*part.partition(" ± ")) for part in text.split(" → "))


def cells(name: str) -> dict[tuple[str, str], Cell]:
    """A table of success rates by the labels of method and column, whichever way the paper prints it."""
    table, down = read()[name], TABLES[name].tasks_down
    seeds = table["seeds"]
    return {
        (column, row) if down else (row, column): Cell(parse(text, seeds), wanted=seeds)
        for row, texts in table["rows"].items()
        for column, text in zip(table["columns"], texts, strict=True)
    }


def build(name: str) -> Result:
    """The paper's own table, its averages as printed, marked by the rules."""
    table, spec, found = read()[name], TABLES[name], cells(name)
    rows, columns = (list(dict.fromkeys(labels)) for labels in zip(*found, strict=True))
    grid = [[found[row, column] for column in columns] for row in rows]
    return assemble(name, spec, f"{spec.title}. {SOURCE}.", rows, columns, grid, table.get("notes", ()))


def verbatim(name: str, title: str, corner: str, numeric: bool = False, decimals: tuple[int, int] = (0, 0)) -> Result:
    """A table that is no table of success rates, as printed."""
    table = read()[name]

    def cell(text: str) -> Cell:
        return Cell(parse(text)) if numeric else Cell(word=text)

    lines = tuple(Line(label, tuple(map(cell, texts))) for label, texts in table["rows"].items())
    columns, notes = tuple(table["columns"]), tuple(table.get("notes", ()))
    return Result(name, f"{title}. {SOURCE}.", columns, lines, notes, decimals=decimals, corner=corner)
