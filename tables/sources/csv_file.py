"""Results of others, from a CSV file: `method,task,seed,step,success` and, if wanted, `phase`.

    method,task,seed,phase,step,success
    qc-fql,cube-triple-task2,0,offline,1000000,0.0
    qc-fql,cube-triple-task2,0,online,1000000,0.88

A line is one evaluation of one seed. `success` is the share of solved episodes, from 0 to 1; `step` counts from the start of
its phase; without a phase the line is of the online one. A method that the suite has goes by its name there. What is imported
has the preset "imported", so that it never counts beside runs of one's own, and every table marks it.
"""

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from eval.results.record import PHASES, Run
from tables.sources import lines

REQUIRED = ("method", "task", "seed", "step", "success")

Key = tuple[str, str, int]  # method, task, seed


def read_csv(path: Path) -> list[Run]:
    """A finished run for each method, task and seed; bad lines are named on stderr. ValueError where a column is missing.

    Of two lines for one step the later one counts, as in a record, and stderr says so.
    """
    evaluations: dict[Key, dict[tuple[str, int], dict[str, Any]]] = defaultdict(dict)
    for number, (key, evaluation) in lines.parsed(path, REQUIRED, ("phase",), parse):
        step = (evaluation["phase"], evaluation["step"])
        if step in evaluations[key]:
            print(f"{path}, line {number}: in place of an earlier line for this seed and step", file=sys.stderr)
        evaluations[key][step] = evaluation
    return [run(path, *key, list(found.values())) for key, found in evaluations.items()]


def parse(values: dict[str, str]) -> tuple[Key, dict[str, Any]]:
    """One line: whose it is, and the evaluation as a record has it. ValueError names what is wrong."""
    lines.given(values, REQUIRED)
    phase, seed, step = lines.phase(values), lines.whole(values, "seed"), lines.whole(values, "step")
    evaluation = {"seed": seed, "phase": phase, "step": step, "success": [lines.share(values, "success")]}
    return (lines.method(values), values["task"], seed), evaluation


def run(path: Path, method: str, task: str, seed: int, evaluations: list[dict[str, Any]]) -> Run:
    """What a record of this would say, as far as the file tells."""
    ordered = sorted(evaluations, key=lambda e: (PHASES.index(e["phase"]), e["step"]))
    phases = {e["phase"] for e in ordered}
    config: dict[str, Any] = {
        "task": task,
        "method": method,
        "preset": "imported",
        "protocol": "offline-to-online" if "online" in phases else "offline",
        "seeds": [seed],
        "changes": {},
        "algo": {},
        "backbone": {},
        "offline_steps": max((e["step"] for e in ordered if e["phase"] == "offline"), default=0),
    }
    return Run(path, {"created": "", "config": config}, ordered, end={"status": "finished"})
