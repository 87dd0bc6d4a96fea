"""The plan: what is missing, and how long it takes."""

import json
import re

import pytest

from eval.results.record import read
from tables.rates import Rates

DFP = {"method": "dfp", "task": "lift", "preset": "paper", "protocol": "offline-to-online"}


def lines(text: str, method: str) -> list[list[str]]:
    return [re.split(r"  +", line) for line in text.splitlines() if line.startswith(method + "  ")]


def test_an_empty_folder_lacks_everything(tables):
    commands = tables("plan", "1", "--shell").split("\n")[:-1]
    assert len(commands) == len(set(commands)) == 6 * 12
    assert all(
        command.startswith("python -m eval.run --method ") and command.endswith(" --seeds 0 1 2 3 4") for command in commands
    )
    assert "72 gaps, 360 runs of one seed; 0.0 hours, and 72 gaps of methods that were not timed" in tables("plan", "1")


def test_tables_that_share_runs_ask_for_them_once(tables):
    def count(*names: str) -> int:
        return len(tables("plan", *names, "--shell").splitlines())

    assert count("1", "2") == 8 * 12 == count("6")
    assert count("3") == 4 * 3 and count("1", "3") == count("1") + 3 * 3, "lambda = 0.5 is Table 1's DFP"
    assert count("1", "4") == count("1") + 3 * 12, "so is K = 4, and K = 2 on Robomimic"


def test_hours_are_those_of_finished_runs_of_the_method_on_the_task_if_there_are_any(write_run, tables):
    write_run("a", {0: [1], 1: [1]}, seconds=7200)  # an hour a seed
    write_run("b", {0: [1]}, seconds=3 * 3600, task="lift")
    write_run("c", {1: [1]}, seconds=99 * 3600, task="lift", status="failed")
    found = {line[1]: line[2:4] for line in lines(tables("plan", "1"), "DFP")}
    assert found["cube-double-task2"] == ["2/5", "3.0"]
    assert found["lift"] == ["1/5", "12.0"]
    assert found["can"] == ["0/5", "10.0"], "the median of both runs, two hours, for five seeds"


def test_hours_are_not_those_of_runs_of_other_lengths(write_run, tables):
    write_run("a", {0: [1]}, seconds=99 * 3600, changes={"offline_steps": 54_000})
    assert {line[3] for line in lines(tables("plan", "1"), "DFP")} == {"?"}
    write_run("b", {0: [1]}, seconds=3600, changes={"algo.discount": 0.9})
    assert {line[3] for line in lines(tables("plan", "1"), "DFP")} == {"5.0"}


def test_hours_of_a_gpu_are_told_apart(write_run, tables):
    write_run("a", {0: [1]}, seconds=360, device="NVIDIA H200, TF32")
    assert lines(tables("plan", "1"), "DFP")[0][3] == "0.5 on a GPU"
    write_run("b", {0: [1]}, seconds=3600, task="lift")
    assert {line[3] for line in lines(tables("plan", "1"), "DFP")} == {"5.0", "4.0"}
    write_run("c", {0: [1]}, seconds=360, method="mvp", device="NVIDIA H200, TF32")
    assert "hours and 5.9 hours on a GPU, and" in tables("plan", "1")


def test_without_runs_hours_are_those_of_the_timed_updates(tmp_path, tables):
    updates = [
        {"method": "dfp", "phase": phase, "seeds": seeds, "ms": ms, "ranking": ranking}
        for phase, seeds, ms, ranking in (
            ("offline", 1, 36.0, "float32"),
            ("online", 1, 72.0, "float32"),
            ("online", 4, 1.0, "float32"),
            ("online", 1, 1.0, "bfloat16"),
        )
    ]
    bench = {"preset": "paper", "device": "cpu", "commit": "abc", "updates": updates, "action_ms": {"dfp": 2.0}}
    (tmp_path / "bench.json").write_text(json.dumps(bench))
    assert {line[3] for line in lines(tables("plan", "1"), "DFP")} == {"150.0"}  # five seeds, 10 + 20 hours
    assert {line[3] for line in lines(tables("plan", "7"), "DFP")} == {"160.0"}  # eight seeds with elites from the start
    assert {line[3] for line in lines(tables("plan", "1"), "MVP")} == {"?"}


@pytest.mark.parametrize(
    ("config", "hours"),
    [
        ({"offline_steps": 50_000, "online_steps": 40_000}, 1.3),
        ({"offline_steps": 50_000, "online_steps": 40_000, "online_warmup": 10_000, "updates_per_step": 0.5}, 0.8),
        ({}, 20.0),  # 1M steps offline, 500k online
    ],
)
def test_hours_of_updates_are_of_those_that_a_configuration_makes(config, hours):
    updates = [
        {"method": "dfp", "phase": phase, "seeds": 1, "ms": ms, "ranking": "float32"}
        for phase, ms in (("offline", 36.0), ("online", 72.0))
    ]
    bench = {"preset": "qam", "device": "cpu", "updates": updates}
    assert Rates([], [bench]).usual(False, DFP | {"preset": "qam"} | config) == pytest.approx(hours)


def test_table_9_s_times_are_those_of_the_one_record_with_most_methods(tmp_path, tables):
    def bench(name: str, **online_ms: float) -> None:
        updates = [{"method": m, "phase": "online", "seeds": 1, "ms": t, "ranking": "float32"} for m, t in online_ms.items()]
        record = {"preset": "paper", "device": name, "commit": "abc", "updates": updates, "action_ms": online_ms}
        (tmp_path / f"{name}.json").write_text(json.dumps(record))

    bench("both", dfp=72.0, mvp=36.0)
    bench("equal", dfp=1.0, mvp=1.0)  # as many: the first counts
    bench("alone", dfp=1.0)
    bench("zero")
    text = tables("9")
    assert re.search(r"Online Cost \(ms\).* 36\.00 .* 72\.00", text) and "both.json: both, commit abc" in text
    assert "python -m eval.bench --preset paper" in text  # for the methods that nobody timed


@pytest.mark.parametrize("name", ["0", "table1", "paper"])
def test_an_unknown_table_is_refused(refused, name):
    assert f"unknown table '{name}'; there are 1, 2" in refused("plan", name)


@pytest.mark.parametrize(
    "tiny",
    [
        {"task": "probe-chain"},
        {"changes": {"offline_steps": 100_000}, "offline_steps": 100_000},  # a twentieth of those wanted
    ],
)
def test_hours_are_not_those_of_probes_or_of_tiny_runs(write_run, tmp_path, tables, tiny):
    path = write_run("a", {0: [1]}, seconds=36, **tiny)
    assert {line[3] for line in lines(tables("plan", "1"), "DFP")} == {"?"}
    rates = Rates([read(path)], [])
    known = rates.usual(False, DFP | {"offline_steps": 1_000_000, "online_steps": 1_000_000})
    assert known is None, "nor where they are scaled by their steps"


def test_hours_are_those_of_other_sizes_only_where_steps_are_given_and_nothing_else_is_known(write_run, tables):
    paths = [write_run("a", {0: [1]}, seconds=36, changes={"algo.critic_depth": 1}, offline_steps=1000)]
    assert {line[3] for line in lines(tables("plan", "1"), "DFP")} == {"?"}
    run = DFP | {"offline_steps": 1000}
    assert Rates(map(read, paths), []).usual(False, run) == 0.01
    paths.append(write_run("b", {0: [1]}, seconds=3600, offline_steps=1000))
    assert Rates(map(read, paths), []).usual(False, run) == 1


def test_a_probe_s_hours_are_those_of_probes_and_a_tenth_of_the_steps_is_enough(write_run):
    probe = write_run("a", {0: [1]}, seconds=3600, task="probe-chain")
    part = write_run("b", {0: [1]}, seconds=3600, changes={"offline_steps": 200_000}, offline_steps=200_000)
    rates = Rates(map(read, (probe, part)), [])
    assert rates.usual(False, DFP | {"task": "probe-chain"}) == 1
    assert rates.usual(False, DFP | {"offline_steps": 400_000}) == 2
