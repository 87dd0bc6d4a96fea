"""Runs on tasks from outside: a table of what there is, by what the task is scored by."""

import csv
import io
import json
from pathlib import Path

import pytest
import scipy.stats

from eval.results.record import read
from tables.__main__ import main
from tables.entries import of_runs
from tables.figures.curves import common, points, rows_of
from tables.figures.figure import write_figure
from tables.leaderboard import leaderboard
from tables.rules import conflict
from tables.sources.runs import files, load

GYM = {"task": "gym:Reacher-v5", "preset": "quick"}


@pytest.fixture
def returns(write_run):
    """Writes a record whose evaluations have these scores, returns of single episodes by seed, online and 10 less offline."""

    def write(name: str, scores: dict[int, float], files: dict | None = None, **config) -> Path:
        path = write_run(name, {seed: [0] for seed in scores}, dataset={"name": "r.npz", "sha256": "r"}, **GYM | config)
        first, *lines = map(json.loads, path.read_text().splitlines())
        first |= {"task": {"score": "return"}, **({"files": files} if files else {})}
        for line in lines[:-1]:
            line["score"] = [scores[line["seed"]] - 10 * (line["phase"] == "offline")]
        path.write_text("".join(json.dumps(line) + "\n" for line in [first, *lines]))
        return path

    return write


def test_every_method_has_a_line_and_shared_changes_are_in_the_title(returns, tables):
    returns("a", {0: -5.0, 1: -7.0}, changes={"offline_steps": 10})
    returns("b", {0: -4.0, 1: -4.0}, method="iql", changes={"offline_steps": 10, "algo.num_elites": 4})
    head, _, columns, _, dfp, iql = tables("own", "--preset", "quick").splitlines()
    assert head == "Tasks from outside, at the end of each phase. Preset quick with offline_steps 10."
    assert columns.split("  ")[-1].strip() == "gym:Reacher-v5 on r.npz, return"
    assert dfp.split() == ["DFP", "_-16.0", "±", "1.4_", "→", "_-6.0", "±", "1.4_"]
    assert iql.split() == ["IQL,", "num_elites", "4", "*-14.0", "±", "0.0*", "→", "*-4.0", "±", "0.0*"]


def test_each_dataset_of_a_task_is_a_column(returns, tables, write_run):
    returns("a", {0: -5.0})
    other = returns("b", {0: -6.0})
    other.write_text(other.read_text().replace('"r.npz", "sha256": "r"', '"s.npz", "sha256": "s"'))
    assert tables("own", "--preset", "quick").splitlines()[-1].split("  ", 1)[1].split() == "-15.0 → -5.0 -16.0 → -6.0".split()


def test_a_file_that_changed_is_another_ground(returns):
    one, same, other = (returns(name, {0: 1.0}, {"task.py": sha}) for name, sha in (("a", "1"), ("b", "1"), ("c", "2")))
    assert conflict(map(read, (one, same))) is None
    assert conflict(map(read, (one, other))) == f"{one} and {other} differ in task.py (sha256 1, 2)"


def test_returns_are_drawn_and_not_averaged_with_success(returns, write_run, tmp_path):
    returns("a", {0: -5.0})
    write_run("b", {0: [1]}, preset="quick")
    runs = load(files([tmp_path]))
    data = points(runs, rows_of(runs), "quick")
    assert dict(zip(data["task"], data["scored"], strict=True)) == {
        "gym:Reacher-v5": "return",
        "cube-double-task2": "success rate (%)",
    }
    assert list(common(data)["task"]) == ["cube-double-task2"]
    write_figure("curves", runs, tmp_path / "curves.png", "quick")


def test_without_such_runs_the_table_is_empty(tables, write_run):
    write_run("a", {0: [1]}, preset="quick")
    assert tables("own", "--preset", "quick").startswith("No finished run on a task from outside. Preset quick.")


def test_methods_are_compared_on_a_task_from_outside(returns, write_run, capsys):
    ours, theirs = returns("a", {0: -5.0, 1: -7.0}), returns("b", {0: -1.0, 1: -4.0}, method="iql")
    assert main(["compare", str(ours), "--against", str(theirs), "--format", "csv"]) == 0
    rows = {(line["row"], line["column"]): line for line in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    row = "DFP (quick), gym:Reacher-v5 on r.npz, return, online"
    expected = scipy.stats.ttest_ind([-5.0, -7.0], [-1.0, -4.0], equal_var=False)
    assert (rows[row, "ours"]["mean"], rows[row, "against"]["text"]) == ("-6", "IQL (quick)")
    assert (rows[row, "difference"]["mean"], rows[row, "p"]["text"]) == ("-3.5", f"{expected.pvalue:.3f}")


def test_other_data_of_a_task_from_outside_are_another_task_and_no_leaderboard_has_it(returns, capsys):
    ours, theirs = returns("a", {0: -5.0}), returns("b", {0: -1.0}, method="iql")
    theirs.write_text(theirs.read_text().replace('"r.npz", "sha256": "r"', '"s.npz", "sha256": "s"'))
    assert main(["compare", str(ours), "--against", str(theirs)]) == 0
    assert "nothing to compare with" in capsys.readouterr().out
    entries = of_runs(load([ours, theirs]))
    assert len(entries) == 4 and not leaderboard(Path("nowhere"), entries)


def test_what_is_from_outside_is_said_by_a_task_s_name_and_not_by_how_it_is_scored(write_run, tables):
    """A file may hold a task that says nothing of its score, and D4RL's hand, which does, is the suite's."""
    file = write_run("a", {0: [1, 0]}, task="chain.py", preset="quick")
    hand = write_run("b", {0: [0]}, task="d4rl-pen-human", preset="quick")
    scored = hand.read_text().replace('"success": [0]', '"success": [0], "score": [7.0]')
    hand.write_text(scored.replace('"schema"', '"task": {"score": "normalised score"}, "schema"'))
    text = tables("own", "--preset", "quick")
    assert "chain.py, success rate (%)" in text and "50.0 → 50.0" in text and "d4rl" not in text
    (board,) = leaderboard(Path("nowhere"), of_runs(load([file, hand])))
    assert board.title.startswith("D4rl-pen-human, normalised score at the end of the online phase. Ours: preset quick")


def test_a_run_without_an_online_phase_hides_nobody_s_online_numbers(returns, tables):
    returns("a", {0: -5.0, 1: -7.0})
    offline = returns("b", {0: -4.0}, method="iql")
    lines = offline.read_text().splitlines(keepends=True)
    offline.write_text("".join(line for line in lines if '"phase": "online"' not in line))
    dfp, iql = tables("own", "--preset", "quick").splitlines()[4:6]
    assert dfp.split("  ", 1)[1].split() == "-16.0 ± 1.4 → -6.0 ± 1.4".split()
    assert iql.split("  ", 1)[1].split() == "-14.0 → - (1/2)".split()


def test_seeds_of_several_runs_are_as_many_as_they_are(returns, tables):
    for seed in range(2):
        returns(f"a{seed}", {seed: -5.0 - seed})
    returns("b", {0: -4.0}, method="iql")
    text = tables("own", "--preset", "quick")
    assert "-15.5 ± 0.7 → -5.5 ± 0.7\n" in text and "-14.0 → -4.0 (1/2)\n" in text
