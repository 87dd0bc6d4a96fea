"""Cells say what the records say."""

import statistics
from dataclasses import replace

import pytest

from eval.results import record
from tables.cells import rate
from tables.spec import TABLES

TASK = "cube-double-task2"


def test_a_cell_is_mean_and_sample_std_over_seeds_of_the_last_evaluation(write_run, cell, tables):
    outcomes = {0: [1, 1, 1, 1], 1: [1, 1, 1, 0], 2: [1, 1, 1, 1], 3: [1, 0, 1, 0], 4: [1, 1, 1, 1]}
    write_run("a", {seed: outcomes[seed] for seed in (0, 1, 2)})
    write_run("b", {seed: outcomes[seed] for seed in (3, 4)})
    percent = [100 * sum(r) / 4 for r in outcomes.values()]
    for table in ("1", "2"):
        found = cell(table)
        assert float(found["mean"]) == pytest.approx(statistics.mean(percent))
        assert float(found["std"]) == pytest.approx(statistics.stdev(percent))
        assert (found["n"], found["wanted"]) == ("5", "5")
    assert "85.0 ± 22 " in tables("1")


def test_both_phases_stand_in_one_cell_of_table_6(write_run, tables, cell):
    write_run("a", {seed: [1] for seed in range(5)})
    assert "100.0 ± 0.0 → 100.0 ± 0.0" in tables("6")
    assert cell("6", row=TASK, column="DFP", phase="offline")["mean"] == "100"


def test_missing_seeds_show_and_their_command_is_printed(write_run, tables):
    write_run("a", {0: [1], 3: [0]})
    assert "50.0 ± 71 (2/5)" in tables("1")
    command = f"python -m eval.run --method dfp --task {TASK} --preset paper --protocol offline-to-online --seeds 1 2 4"
    assert command in tables("plan", "1", "--shell").splitlines()


def test_any_five_seeds_fill_a_cell(write_run, tables):
    write_run("a", {seed: [1] for seed in range(3, 8)})
    assert f"--method dfp --task {TASK} " not in tables("plan", "1", "--shell")


@pytest.mark.parametrize(
    "other",
    [
        {"preset": "quick"},
        {"protocol": "offline"},
        {"method": "mvp"},
        {"changes": {"algo.discount": 0.9}},
        {"task": "cube-double-task3"},
    ],
)
def test_other_runs_do_not_count(write_run, cell, other):
    write_run("a", {0: [1]}, **other)
    found = cell("1", "--preset", "paper")
    assert found["n"] == "0" and found["mean"] == found["notes"] == ""


@pytest.mark.parametrize("status", ["failed", "stopped"])
def test_runs_that_did_not_finish_are_named_and_never_averaged(write_run, cell, tables, status):
    path = write_run("a", {0: [0]}, status=status)
    write_run("b", {1: [1]})
    assert (cell("1")["mean"], cell("1")["n"]) == ("100", "1")
    assert f"[1] not counted: {path} ({status}" in tables("1")


def test_quick_offline_to_online_runs_are_no_results_of_offline_rl(write_run, cell):
    write_run("a", {0: [1]}, preset="quick")
    assert cell("7", "--preset", "quick", row=TASK, column="DFP", phase="offline")["n"] == "0"


def test_an_ablation_s_row_takes_the_runs_with_its_value(write_run, cell):
    write_run("a", {0: [1]}, task="cube-quadruple-task2")
    changed = {"changes": {"algo.elite_weight": 0.1}, "algo": {"name": "dfp", "elite_weight": 0.1}}
    write_run("b", {0: [0]}, task="cube-quadruple-task2", **changed)
    for row, mean in (("λ = 0.1", "0"), ("λ = 0.5", "100"), ("λ = 1.0", "")):
        assert cell("3", row=row, column="cube-quadruple-task2")["mean"] == mean


def test_a_column_of_several_tasks_is_their_mean_and_waits_for_all(write_run, cell):
    for task, outcome in (("lift", 1), ("square", 0)):
        write_run(task, {seed: [outcome] for seed in range(5)}, task=task)
    assert cell("4", row="K = 4", column="Robo.")["mean"] == ""
    write_run("can", {0: [1]}, task="can")
    found = cell("4", row="K = 4", column="Robo.")
    assert float(found["mean"]) == pytest.approx(200 / 3) and (found["std"], found["n"]) == ("", "1")


def test_of_two_runs_for_a_seed_the_later_one_counts_and_the_cell_says_so(write_run, cell):
    later = write_run("b", {0: [1]})
    write_run("a", {0: [0]})
    found = cell("1")
    assert found["mean"] == "100" and found["notes"] == f"seed 0 has 2 runs: the latest counts, {later}"


def test_the_quick_table_has_its_own_preset(write_run, tables):
    write_run("a", {0: [1]}, preset="quick", task="lift")
    assert "100.0 → 100.0 (1/3)" in tables("quick")


def test_table_5_takes_its_values_from_the_newest_plain_run(write_run, tables):
    write_run("a", {0: [1]}, algo={"num_elites": 3})
    write_run("b", {0: [1]}, algo={"num_elites": 4}, backbone={"temperatures": [0.005, 0.05]})
    write_run("c", {0: [1]}, algo={"num_elites": 9}, changes={"algo.num_elites": 9})
    text = tables("5")
    assert "Top-K positive set size K             4 " in text and "0.005, 0.05" in text


def test_table_10_counts_each_run_once_failed_ones_too(write_run, tables):
    write_run("a", {0: [1]}, seconds=3600)
    write_run("b", {0: [1]}, seconds=1800, status="failed")
    write_run("c", {0: [1]}, seconds=7200, method="fql-drifting")
    text = tables("10", "--format", "csv")
    assert "10,Main offline-to-online (Table 1),DFP,,1.5," in text
    assert "10,Backbone × top-K (Table 2),Total,,0," in text
    assert "10,Other runs,fql-drifting,,2," in text and "10,Total,Total,,3.5," in text


def test_table_7_averages_the_evaluations_of_the_last_fifth_and_the_record_keeps_the_final_one(write_run):
    path = write_run("a", {0: [1, 1]}, protocol="offline")
    own = {700: [0, 0], 800: [1, 0], 900: [0, 0], 1000: [1, 1]}
    evaluations = [{"seed": 0, "phase": "offline", "step": step, "success": success} for step, success in own.items()]
    run = replace(record.read(path), evaluations=evaluations)
    assert TABLES["7"].tail == 0.2 and "last fifth" in TABLES["7"].title
    assert rate(run, 0, "offline", tail=0.2) == 50
    assert rate(run, 0, "offline") == 100
