"""Results of others from CSV files."""

import pytest

from eval.results.record import read
from tables.__main__ import main
from tables.result import Cell
from tables.rules import unlike
from tables.sources.csv_file import read_csv
from tables.sources.lines import likely

GOOD = """method,task,seed,phase,step,success
dfp,cube-double-task2,0,online,20,0.75
dfp,cube-double-task2,0,online,10,0.5
dfp,cube-double-task2,0,offline,10,0.25
dfp,cube-double-task2,1,online,20,1
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text(GOOD)
    return path


def test_a_file_becomes_finished_runs_with_their_evaluations_in_order(path):
    one, two = read_csv(path)
    assert [(e["phase"], e["step"], e["success"]) for e in one.evaluations] == [
        ("offline", 10, [0.25]),
        ("online", 10, [0.5]),
        ("online", 20, [0.75]),
    ]
    assert (one.status, one.start["config"]["preset"], one.start["config"]["offline_steps"]) == ("finished", "imported", 10)
    assert two.start["config"]["seeds"] == [1]


def test_imported_results_are_a_preset_of_their_own_and_marked(path, cell, write_run):
    write_run("a", {2: [0]})
    assert cell("1")["n"] == "1", "they do not count beside the suite's runs"
    found = cell("1", "--preset", "imported")
    assert (found["mean"], found["n"], found["notes"]) == ("87.5", "2", f"imported from {path}")


def test_without_a_phase_lines_are_online(tmp_path, cell):
    (tmp_path / "short.csv").write_text("method,task,seed,step,success\ndfp,cube-double-task2,0,20,0.5\n")
    assert cell("1", "--preset", "imported")["mean"] == "50"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("dfp,cube-double-task2,0,online,20,97.6", "success '97.6': a share of episodes, from 0 to 1"),
        ("dfp,cube-double-task2,0,online,20,nan", "success 'nan'"),
        ("dfp,cube-double-task2,0,online,20,", "no success"),
        ("dfp,cube-double-task2,0,online,-1,1", "step '-1': a whole number"),
        ("dfp,cube-double-task2,x,online,1,1", "seed 'x': a whole number"),
        ("dfp,cube-double-task2,0,middle,1,1", "phase 'middle': offline or online"),
        ("dfp", "1 fields, the header has 6"),
        ("dfp,cube-double-task2,0,online,20,0,88", "7 fields, the header has 6"),
        (",cube-double-task2,0,online,20,1", "no method"),
    ],
)
def test_bad_lines_are_named_and_the_rest_counts(path, capsys, cell, line, words):
    path.write_text(GOOD + line + "\n")
    assert len(read_csv(path)) == 2
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert said == f"left out: {path}, line 6: {said.partition('line 6: ')[2]}" and words in said


def test_a_csv_file_of_something_else_is_named(tmp_path, capsys):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert main(["1", "--runs", str(tmp_path)]) == 0
    assert "other.csv: no column method" in capsys.readouterr().err


def test_what_is_no_table_is_named_and_labels_are_methods(tmp_path, capsys):
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "long.csv").write_text("method,task,seed,step,success\n" + "x" * 200_000)
    (tmp_path / "theirs.csv").write_text("method,task,seed,step,success\nDFP,cube-double-task2,0,20,0.5\n")
    assert main(["1", "--preset", "imported", "--runs", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert all(f"left out: {tmp_path / name}: " in captured.err for name in ("bytes.csv", "long.csv"))
    assert "50.0 (1/5)" in captured.out


def test_of_two_lines_for_a_step_the_later_one_counts(path, capsys, cell):
    path.write_text(GOOD + "dfp,cube-double-task2,1,online,20,0.5\n")
    assert cell("1", "--preset", "imported")["mean"] == "62.5"
    read_csv(path)
    assert capsys.readouterr().err == f"{path}, line 6: in place of an earlier line for this seed and step\n"


def test_spaces_are_no_part_of_a_header_or_a_value(tmp_path, cell):
    (tmp_path / "spaces.csv").write_text("method, task , seed, step, success\ndfp, cube-double-task2, 0, 20, 0.5\n")
    assert cell("1", "--preset", "imported")["mean"] == "50"


@pytest.mark.parametrize(
    ("text", "words"), [("", "no column method"), ("method,task,seed,step,success,success\n", "2 columns success")]
)
def test_a_table_without_its_columns_is_named(tmp_path, capsys, text, words):
    (tmp_path / "theirs.csv").write_text(text)
    assert main(["1", "--runs", str(tmp_path)]) == 0
    assert f"left out: {tmp_path / 'theirs.csv'}: {words}" in capsys.readouterr().err


def test_a_task_that_looks_mistyped_is_asked_about_once(path, capsys):
    path.write_text(GOOD.replace("cube-double-task2,0", "cube-duble-task2,0"))
    assert len(read_csv(path)) == 2
    assert capsys.readouterr().err == f"{path}, line 2: task 'cube-duble-task2': did you mean cube-double-task2?\n"


@pytest.mark.parametrize(
    "task", ["cube-octuple-task1", "puzzle-4x4-100m-task1", "cube-single-noisy-task3", "antmaze-large-navigate-task1", "mine"]
)
def test_tasks_that_no_table_has_are_not_asked_about(task):
    assert likely(task) == ""


def test_what_an_import_does_not_say_is_no_difference(path, write_run, capsys):
    ours = str(write_run("a", {0: [1], 1: [0]}))
    assert main(["compare", ours, "--against", str(path)]) == 0
    text = capsys.readouterr().out
    assert "DFP (imported)" in text and "differs in" not in text


def test_rows_beside_an_import_are_still_compared_with_each_other(path, write_run):
    (theirs, *_), other = read_csv(path), {"sha256": "other"}
    runs = [theirs, read(write_run("a", {0: [1]})), read(write_run("b", {0: [1]}, dataset=other))]
    assert "differ in dataset (sha256 same, other)" in unlike("lift", [Cell(runs=(run,)) for run in runs])
    assert unlike("lift", [Cell(runs=(run,)) for run in runs[:2]]) is None
