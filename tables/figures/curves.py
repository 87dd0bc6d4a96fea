"""From run records to a frame of success rates: what figures draw and statistics summarise."""

from collections import defaultdict
from collections.abc import Sequence
from math import nan

import pandas as pd

from eval.config.methods import METHODS
from eval.results.record import SUCCESS, Run, score, scored_by
from tables import rules
from tables.own import is_own, label, shared_changes
from tables.spec import MAIN, Row, belongs
from tables.stats import Scores, margin

TASKS = [column.label for column in MAIN]
PROTOCOLS = ("offline-to-online", "offline")  # each has pictures of its own
COLUMNS = ["label", "task", "protocol", "seed", "phase", "step", "success"]
COLUMNS += ["seconds", "device", "offline_steps", "generated", "scored"]


def points(runs: Sequence[Run], rows: Sequence[Row], preset: str) -> pd.DataFrame:
    """Every evaluation of the runs that count, one a line, rows and tasks in the paper's order.

    Success is in percent, or what else `scored` says. Steps count from the start of the offline phase; `seconds` is the time
    that they took (nan in older records). `label` is the row's, `generated` says whether the run's data is. ValueError for
    seeds that the rules do not average.
    """
    found: dict[tuple[int, str, str], list[Run]] = defaultdict(list)
    for run in runs:
        config = run.start["config"]
        if config["preset"] == preset:
            for number, row in enumerate(rows):
                if belongs(config, row):
                    found[number, config["task"], config["protocol"]].append(run)
    lines = []
    for number, task, protocol in sorted(found, key=lambda key: (key[0], *in_order(TASKS, key[1]))):
        by_seed, _ = rules.counted(found[number, task, protocol], ())
        if by_seed and (conflict := rules.conflict(by_seed.values())):
            raise ValueError(f"{rows[number].label} on {task}: {conflict}")
        for seed, run in by_seed.items():
            offline, device = run.start["config"]["offline_steps"], str(run.start.get("device"))
            generated, scored = rules.on_generated_data(run), scored_by(run.start)
            for e in run.evaluations:
                if e["seed"] == seed:
                    clock = run.clock.get((e["phase"], e["step"]), nan)
                    point = (seed, e["phase"], run.training_step(e), score(e), clock)
                    lines.append((rows[number].label, task, protocol, *point, device, offline, generated, scored))
    return pd.DataFrame(lines, columns=COLUMNS)


def rows_of(runs: Sequence[Run]) -> tuple[Row, ...]:
    """Each method and each variant in the records as a row: the named methods in their order, then other pairs. What runs on
    tasks from outside have in common is no part of a label."""
    shared = shared_changes(runs) if all(map(is_own, runs)) else {}
    configs = {label(run, shared): run.start["config"] for run in runs}
    rows = [Row(text, config["method"], config["changes"]) for text, config in configs.items()]
    return tuple(sorted(rows, key=lambda row: (*in_order(list(METHODS), row.method), row.label)))


def in_order(names: Sequence[str], name: str) -> tuple[int, str]:
    """A sorting key: by place among the names, then all others by alphabet."""
    return (names.index(name) if name in names else len(names), name)


def summary(points: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds with Student's 95 % interval, for each label, task and step; nan bounds where there is one seed."""
    table = points.groupby(["label", "task", "step"])["success"].agg(["mean", "std", "count"]).reset_index()
    half = margin(table["std"], table["count"])
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def common(points: pd.DataFrame) -> pd.DataFrame:
    """Each seed's last success rate of the last phase of the one protocol that these are of, on the tasks that every label has:
    what may be averaged over tasks.

    ValueError when there is no such task.
    """
    phase = "offline" if (points["protocol"] == "offline").all() else "online"
    last = (
        points[(points["phase"] == phase) & (points["scored"] == SUCCESS)]
        .groupby(["label", "task", "seed"], sort=False)
        .tail(1)
    )
    labels = points["label"].unique()
    shared = last[last.groupby("task")["label"].transform("nunique") == len(labels)]
    if shared.empty:
        raise ValueError(f"no task has finished {phase} runs of all of {', '.join(labels)}")
    return shared


def final_scores(last: pd.DataFrame) -> dict[str, Scores]:
    """By label, success rates [seeds] for each task, from one line a seed."""
    return {
        label: [seeds["success"].to_numpy() for _, seeds in tasks.groupby("task", sort=False)]
        for label, tasks in last.groupby("label", sort=False)
    }
