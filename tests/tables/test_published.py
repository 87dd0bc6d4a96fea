"""The paper's numbers agree with themselves, and with the suite's own configurations."""

import math
import re
import statistics

import pytest

from eval.config.configure import configure
from tables import published
from tables.build import COMPARABLE, from_paper
from tables.published import TABLE_5_FIELDS, shown
from tables.render import render
from tables.spec import OFFLINE_TASKS, TABLES

ROUNDING = 0.05 + 1e-9


def means(name: str, phase: int = -1) -> dict[tuple[str, str], float]:
    return {key: cell.numbers[phase].mean for key, cell in published.cells(name).items()}


@pytest.mark.parametrize(("name", "phase"), [("1", 0), ("2", 0), ("4", 0), ("6", 0), ("6", 1)])
def test_every_printed_average_is_that_of_its_cells(name, phase):
    found = means(name, phase)
    for row in dict.fromkeys(row for row, _ in found):
        cells = [mean for (label, column), mean in found.items() if label == row and column != "Avg."]
        assert found[row, "Avg."] == pytest.approx(statistics.mean(cells), abs=ROUNDING), row


@pytest.mark.parametrize("name", ["1", "2"])
def test_tables_1_and_2_are_the_online_phase_of_table_6(name):
    full = published.cells("6")
    for (row, column), cell in published.cells(name).items():
        (number,), online = cell.numbers, full[row, column].numbers[1]
        assert number.mean == online.mean, (row, column)
        assert number.std is None or abs(number.std - online.std) <= 0.5, (row, column)


def test_ablation_rows_with_the_defaults_are_table_1_s_dfp():
    main, weights, elites = means("1"), means("3"), means("4")
    for column in ("cube-quadruple-task2", "cube-quadruple-task3", "cube-quadruple-task4"):
        assert weights["λ = 0.5", column] == main["DFP", column]
    for row, column in (("K = 2", "Robo."), ("K = 4", "Cube-2."), ("K = 4", "Cube-3."), ("K = 4", "Cube-4.")):
        (group,) = (group for group in TABLES["4"].columns if group.label == column)
        mean = statistics.mean(main["DFP", task] for task in group.tasks)
        assert elites[row, column] == pytest.approx(mean, abs=ROUNDING)


def test_every_std_of_table_6_is_one_of_five_seeds_with_a_hundred_episodes():
    """Five whole percentages x have integer sums T of x and Q of x^2, Q - T even, and variance (Q - T^2 / 5) / 4 (ddof 1)."""
    for key, cell in published.cells("6").items():
        for number in cell.numbers:
            if number.std is not None:
                total = round(5 * number.mean)
                low, high = (4 * max(number.std + d, 0) ** 2 + total**2 / 5 for d in (-0.05, 0.05))
                integers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
                assert any((squares - total) % 2 == 0 for squares in integers), key


def test_with_and_without_top_k_share_their_offline_phase():
    full = published.cells("6")
    for column in dict.fromkeys(column for _, column in full):
        for one, two in (("MVP", "MVP w/ top-K"), ("DFP", "DFP w/o top-K")):
            assert full[one, column].numbers[0] == full[two, column].numbers[0], (one, column)


def test_the_paper_s_first_on_9_and_second_on_3_holds_with_these_marks():
    (dfp,) = (line for line in from_paper("1").lines if line.label == "DFP")
    marks = [cell.numbers[0].mark for cell, column in zip(dfp.cells, from_paper("1").columns, strict=True) if column != "Avg."]
    assert (marks.count("best"), marks.count("second")) == (9, 3)


@pytest.mark.parametrize("name", COMPARABLE)
def test_rendering_reproduces_every_cell_as_printed(name):
    text = re.sub(r"\*\*|</?ins>", "", render(from_paper(name), "markdown"))
    lines = [[part.strip() for part in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    rows = {line[0]: line[1:] for line in lines[2:]}
    assert rows == published.read()[name]["rows"]


@pytest.mark.parametrize("name", COMPARABLE)
def test_every_row_and_column_of_ours_has_its_published_one(name):
    table, found = TABLES[name], published.cells(name)
    assert {row.label for row in table.rows} <= {row for row, _ in found}
    assert [column.label for column in table.columns] == [c for c in dict.fromkeys(c for _, c in found) if c != "Avg."]


@pytest.mark.parametrize(("task", "column"), [("cube-double-task2", 0), ("cube-triple-task4", 0), ("lift", 1), ("can", 1)])
def test_table_5_is_what_the_preset_paper_does(task, column):
    config = configure(task, "dfp", preset="paper")
    printed = {row: texts[column] for row, texts in published.read()["5"]["rows"].items() if row in TABLE_5_FIELDS}
    assert {row: value_of(config, row) for row in printed} == printed


@pytest.mark.parametrize("task", OFFLINE_TASKS)
def test_table_8_is_what_the_offline_protocol_does(task):
    config = configure(task, "dfp", preset="paper", protocol="offline")
    result = from_paper("8")
    column = result.columns.index(task)
    assert {line.label: line.cells[column].word for line in result.lines} == {
        line.label: value_of(config, line.label) for line in result.lines
    }


def test_table_10_adds_up():
    *parts, total = (line.cells[0].numbers[0].mean for line in from_paper("10").lines)
    assert sum(parts) == total


def value_of(config, row: str) -> str:
    value = config
    for field in TABLE_5_FIELDS[row].split("."):
        value = getattr(value, field)
    return shown(value)
