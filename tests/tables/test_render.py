"""A small table in every format, as the files in golden/ have it."""

import csv
import io
from pathlib import Path

import pytest

from tables.render import escape_latex, escape_markdown, render, to_csv
from tables.result import Cell, Line, Number, Result
from tables.rules import GENERATED

GOLDEN = Path(__file__).with_name("golden")
NOTES = (GENERATED, "not counted: runs/a_b.jsonl (failed, loss is nan)")

TABLE = Result(
    name="1",
    title="Success rate (%), offline → online.",
    columns=("lift", "cube-double-task2", "Avg."),
    lines=(
        Line(
            "DFP w/o top-K",
            (
                Cell((Number(97.62, 2.1, 5), Number(100.0, 0.0, 5, mark="best")), wanted=5),
                Cell((Number(50.0, 70.7, 2), Number(6.25, None, 1)), wanted=5, notes=NOTES),
                Cell((Number(73.8, None, 2), Number(53.125, None, 1)), wanted=5),
            ),
        ),
        Line(
            "λ = 0.5",
            (
                Cell((Number(), Number(90.6, 3.2, 5, mark="second")), wanted=5),
                Cell((Number(), Number()), "refused", 5, notes=NOTES[1:]),
                Cell((Number(), Number()), wanted=5),
            ),
        ),
    ),
    notes=("A note & its 100 %.",),
    phases=("offline", "online"),
)


@pytest.mark.parametrize(
    ("format", "suffix"), [("text", "txt"), ("markdown", "md"), ("latex", "tex"), ("html", "html"), ("csv", "csv")]
)
def test_a_table_looks_as_in_its_golden_file(format, suffix):
    assert render(TABLE, format).rstrip("\n") + "\n" == (GOLDEN / f"table.{suffix}").read_text(encoding="utf-8")


def test_latex_prints_the_signs_that_its_default_fonts_lack():
    assert escape_latex("p < 0.001 | > 2") == "p $<$ 0.001 $|$ $>$ 2"


def test_markdown_reads_nothing_into_a_name():
    assert escape_markdown(r"a$_b$ \* ~c~") == r"a\$\_b\$ \\\* \~c\~"


def test_csv_keeps_every_digit_and_has_one_header():
    lines = list(csv.DictReader(io.StringIO(to_csv([TABLE, TABLE]))))
    assert len(lines) == 2 * 12
    assert (lines[0]["mean"], lines[0]["std"], lines[0]["n"], lines[0]["wanted"]) == ("97.62", "2.1", "5", "5")


def test_a_transposed_table_has_the_same_cells():
    turned = TABLE.transposed("task")
    assert turned.lines[0].label == "lift" and turned.columns == ("DFP w/o top-K", "λ = 0.5")
    assert turned.transposed("method") == TABLE
