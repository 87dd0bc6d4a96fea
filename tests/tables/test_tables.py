"""Tables say what the records say."""

import csv
import json
import statistics
from pathlib import Path

import pytest

from eval.record import SCHEMA
from tables.__main__ import main
from tables.spec import TABLES

TASK = "cube-double-task2"
DFP = {
    "method": "dfp",
    "changes": {},
    "algo": {"name": "dfp", "elite_weight": 0.5, "num_elites": 4},
    "backbone": {"name": "drifting"},
    "preset": "paper",
    "protocol": "offline-to-online",
    "task": TASK,
    "offline_steps": 10,
}


def write_run(folder: Path, name: str, seeds: dict[int, list[int]], status: str = "finished", **config) -> None:
    """A record whose last online evaluation of each seed has these outcomes."""
    start = {"kind": "start", "schema": SCHEMA, "created": name, "config": DFP | {"seeds": list(seeds)} | config}
    lines = [start] + [
        {"kind": "evaluation", "seed": seed, "phase": phase, "step": step, "success": outcome}
        for seed, last in seeds.items()
        for phase, step, outcome in (("offline", 10, [0]), ("online", 10, [0]), ("online", 20, last))
    ]
    lines.append({"kind": "end", "status": status})
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def cell(capsys, *options: str, row: str = "DFP", column: str = TASK) -> str:
    assert main([*options, "--format", "csv"]) == 0
    lines = list(csv.reader(capsys.readouterr().out.strip().splitlines()[2:]))
    return next(line for line in lines if line[0] == row)[lines[0].index(column)]


def test_a_cell_is_mean_and_sample_std_over_seeds_of_the_last_evaluation(tmp_path, capsys):
    rates = {0: [1, 1, 1, 1], 1: [1, 1, 1, 0], 2: [1, 1, 1, 1], 3: [1, 0, 1, 0], 4: [1, 1, 1, 1]}
    write_run(tmp_path, "a", {seed: rates[seed] for seed in (0, 1, 2)})
    write_run(tmp_path, "b", {seed: rates[seed] for seed in (3, 4)})
    percent = [100 * sum(r) / 4 for r in rates.values()]
    expected = f"{statistics.mean(percent):.1f} ± {statistics.stdev(percent):.0f}"
    assert cell(capsys, "1", "--runs", str(tmp_path)) == cell(capsys, "2", "--runs", str(tmp_path)) == expected


def test_missing_seeds_show_and_their_command_is_printed(tmp_path, capsys):
    write_run(tmp_path, "a", {0: [1], 3: [0]})
    assert cell(capsys, "1", "--runs", str(tmp_path)) == "50.0 ± 71 (2/5)"
    assert main(["1", "--runs", str(tmp_path), "--commands"]) == 0
    assert f"--task {TASK} --preset paper --protocol offline-to-online --seeds 1 2 4" in capsys.readouterr().out


@pytest.mark.parametrize(
    "other",
    [
        {"status": "failed"},
        {"status": "stopped"},
        {"preset": "quick"},
        {"protocol": "offline"},
        {"method": "mvp"},
        {"changes": {"algo.discount": 0.9}},
        {"task": "cube-double-task3"},
    ],
)
def test_other_runs_do_not_count(tmp_path, capsys, other):
    write_run(tmp_path, "a", {0: [1]}, **other)
    assert cell(capsys, "1", "--runs", str(tmp_path)) == "-"


def test_an_ablation_s_row_takes_the_runs_with_its_value(tmp_path, capsys):
    write_run(tmp_path, "a", {0: [1]}, task="cube-quadruple-task2")
    changed = {"changes": {"algo.elite_weight": 0.1}, "algo": {"name": "dfp", "elite_weight": 0.1}}
    write_run(tmp_path, "b", {0: [0]}, task="cube-quadruple-task2", **changed)
    for row, text in (("lambda = 0.1", "0.0 (1/5)"), ("lambda = 0.5", "100.0 (1/5)"), ("lambda = 1.0", "-")):
        assert cell(capsys, "3", "--runs", str(tmp_path), row=row, column="cube-quadruple-task2") == text


def test_of_two_runs_for_a_seed_the_later_one_counts(tmp_path, capsys):
    write_run(tmp_path, "b", {0: [1]})
    write_run(tmp_path, "a", {0: [0]})
    assert cell(capsys, "1", "--runs", str(tmp_path)) == "100.0 (1/5)"


def test_damaged_records_are_named_and_left_out(tmp_path, capsys):
    write_run(tmp_path, "a", {0: [1]})
    (tmp_path / "broken.jsonl").write_text("nonsense\n")
    assert main(["1", "--runs", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "broken.jsonl" in captured.err and "100.0 (1/5)" in captured.out


def test_an_empty_folder_gives_empty_cells_with_commands(tmp_path, capsys):
    assert main(["--runs", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert all(f"Table {name}." in text for name in TABLES) and text.count("python -m eval.run") == len(TABLES)


def test_an_unknown_table_is_refused(capsys):
    assert main(["11"]) == 2
    assert "unknown table '11'" in capsys.readouterr().err


def test_the_learning_curve_is_a_picture(tmp_path, capsys):
    assert main(["--runs", str(tmp_path), "--curve", str(tmp_path / "c.png")]) == 2
    assert "no evaluation" in capsys.readouterr().err
    write_run(tmp_path, "a", {0: [1], 1: [0]})
    assert main(["--runs", str(tmp_path), "--curve", str(tmp_path / "c.png")]) == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
