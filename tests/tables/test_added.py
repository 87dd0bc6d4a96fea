"""Runs that a table leaves out: it says so, and has rows for them where asked."""

import csv
import io
import re
from pathlib import Path

import pytest
import scipy.stats

LIFT = {"task": "lift", "preset": "small"}
SHORT = {"changes": {"offline_steps": 200}, "offline_steps": 200}


@pytest.fixture
def mine(write_run, tmp_path):
    """Writes a record into a folder of its own, outside of those that `tables` names."""

    def write(name: str, *arguments, **config) -> str:
        folder = tmp_path.parent / f"{tmp_path.name}-mine"
        folder.mkdir(exist_ok=True)
        path = write_run(name, *arguments, **LIFT | config)
        return str(path.rename(folder / path.name).parent)

    return write


def test_a_table_says_which_finished_runs_of_its_tasks_are_not_in_it(write_run, tables, tmp_path):
    write_run("a", {0: [1]}, **LIFT, **SHORT)
    write_run("b", {0: [1]}, **LIFT, **SHORT, status="failed")
    write_run("c", {0: [1]}, task="square", preset="small", method="fql-drifting")
    write_run("d", {0: [1]}, **LIFT)
    said = f"\n1 finished run of this preset is not in it: DFP, offline_steps 200. `--with {tmp_path}` gives each kind a row.\n"
    assert said in tables("small")
    assert "not in it" not in tables("small", "--format", "markdown"), "a document is of what it has"
    assert "not in it" not in tables("laptop")


def test_at_most_three_kinds_are_named_the_newest_first(write_run, tables):
    for name in ("a", "b", "c", "d", "e"):
        write_run(name, {0: [1]}, method=f"{name}-drifting", **LIFT)
    assert "5 finished runs of this preset are not in it: e-drifting; d-drifting; c-drifting; 2 other kinds. " in tables(
        "small"
    )


def test_runs_that_are_named_have_rows_and_a_difference_to_dfp(write_run, mine, tables):
    write_run("dfp", {0: [1, 0], 1: [1, 1]}, **LIFT)
    write_run("other", {0: [1]}, method="fql-flow", **LIFT)  # not named: no row
    folder = mine("a", {0: [0, 0], 1: [1, 0]}, method="fql-drifting")
    mine("b", {0: [1]}, **SHORT)
    mine("c", {0: [1]}, method="iql-gaussian", task="can")
    mine("d", {0: [1]}, method="mvp")  # the table has its row
    text = tables("small", "--with", folder)
    labels = [line.split("  ")[0] for line in text.splitlines() if "(added)  " in line]
    assert labels == ["DFP, offline_steps 200 (added)", "fql-drifting (added)", "iql-gaussian (added)"]
    low, high = scipy.stats.ttest_ind([0, 50], [50, 100], equal_var=False).confidence_interval()
    assert f"fql-drifting (added) -50.0 from {low:.1f} to {high:.1f} (1 task)" in text
    assert "DFP, offline_steps 200 (added) +25.0 (1 task)" in text, "one seed has no interval"
    assert "iql-gaussian (added) has no task with DFP." in text
    lines = csv.DictReader(io.StringIO(tables("small", "--with", folder, "--format", "csv")))
    rows = {(line["row"], line["column"], line["phase"]): line for line in lines}
    added = rows["fql-drifting (added)", "lift", "online"]
    assert (added["mean"], added["n"], added["wanted"]) == ("25", "2", "3")
    assert "fql-drifting" not in text.split("Still to run")[1], "nobody asked for its seeds"


def test_rows_are_added_to_a_table_of_another_shape_or_of_our_size(write_run, mine, tables):
    for name in ("mvp", "dfp"):
        write_run(name, {0: [1], 1: [0]}, method=name, task="lift", preset="small")
    folder = mine("a", {0: [0], 1: [1]}, method="fql-drifting")
    assert "fql-drifting (added) +0.0 from " in tables("1", "--with", folder)
    assert "fql-drifting (added)" in tables("6", "--with", folder).splitlines()[2], "its columns are methods"
    assert "fql-drifting (added) +0.0" in tables("4", "--with", folder), "which has no row that is called DFP"


def test_where_there_is_no_row_to_add_that_is_said(write_run, mine, tables, refused):
    folder = mine("a", {0: [1]}, method="fql-drifting")
    words = "No row was added: --with has no finished run on these tasks, of preset laptop or trained elsewhere, that is not"
    assert words in tables("laptop", "--with", folder)
    assert "table 9 is not of success rates, so --with adds no row" in refused("9", "--with", folder)
    assert "--with adds rows to our tables, not to --source paper" in refused("1", "--source", "paper", "--with", folder)
    assert "nowhere: no such file or folder" in refused("small", "--with", "nowhere")


def test_a_policy_trained_elsewhere_has_a_row_at_any_preset(write_run, tables, mine):
    write_run("a", {0: [1, 1], 1: [1, 0]}, **LIFT)
    theirs = mine("b", {0: [0, 1], 1: [0, 0]}, method="mine.py:act", preset="elsewhere", algo={"name": "mine.py:act"})
    (path,) = Path(theirs).iterdir()
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if '"offline", "step"' not in line))
    text = tables("small", "--with", theirs)
    assert re.search(r"mine.py:act \(added\) .* - → 25.0 ± 35 ", text) and "mine.py:act (added) -50.0 from" in text


def test_what_another_table_has_is_not_pointed_out(write_run, tables):
    write_run("a", {0: [1]}, algo={"elite_weight": 5.0, "num_elites": 4}, changes={"algo.elite_weight": 5.0}, **LIFT)
    assert "not in it" not in tables("small"), "Table 3 has it"
