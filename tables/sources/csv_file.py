"""Results of others, from a CSV file: `method,task,seed,step,success` and, if wanted, `phase`.

    method,task,seed,phase,step,success
    qc-fql,cube-triple-task2,0,offline,1000000,0.0
    qc-fql,cube-triple-task2,0,online,1000000,0.88

A line is one evaluation of one seed. `success` is the share of solved episodes, from 0 to 1; `step` counts from the start of
its phase; without a phase the line is of the online one. A method that the suite has goes by its name there. What is imported
has the preset "imported", so that it never counts beside runs of one's own, and every table marks it.
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from eval.config.methods import METHODS
from eval.results.record import PHASES, Run

BY_LABEL = {method.label: name for name, method in METHODS.items()}
"""The names of methods that a file calls as the paper's tables do."""
REQUIRED = ("method", "task", "seed", "step", "success")


def read_csv(path: Path) -> list[Run]:
    """A finished run for each method, task and seed; bad lines are named on stderr. ValueError where a column is missing.

    Of two lines for one step the later one counts, as in a record, and stderr says so.
    """
    evaluations: dict[tuple[str, str, int], dict[tuple[str, int], dict[str, Any]]] = defaultdict(dict)
    columns, lines = read_lines(path)
    for number, fields in lines:
        try:
            key, evaluation = parse(columns, fields)
        except ValueError as error:
            print(f"left out: {path}, line {number}: {error}", file=sys.stderr)
            continue
        step = (evaluation["phase"], evaluation["step"])
        if step in evaluations[key]:
            print(f"{path}, line {number}: in place of an earlier line for this seed and step", file=sys.stderr)
        evaluations[key][step] = evaluation
    return [run(path, *key, list(found.values())) for key, found in evaluations.items()]


def read_lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The columns' names, and the lines, numbered as in the file. ValueError for what is no such table."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            columns = [name.strip() for name in next(lines, ())]
            found = [(lines.line_num, fields) for fields in lines if fields]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    if absent := [name for name in REQUIRED if name not in columns]:
        raise ValueError(f"{path}: no column {absent[0]}; results have {', '.join(REQUIRED)} and may have phase")
    if twice := [name for name in (*REQUIRED, "phase") if columns.count(name) > 1]:
        raise ValueError(f"{path}: {columns.count(twice[0])} columns {twice[0]}")
    return columns, found


def parse(columns: list[str], fields: list[str]) -> tuple[tuple[str, str, int], dict[str, Any]]:
    """One line: whose it is, and the evaluation as a record has it. ValueError names what is wrong."""
    if len(fields) != len(columns):
        raise ValueError(f"{len(fields)} fields, the header has {len(columns)}")
    values = dict(zip(columns, map(str.strip, fields), strict=True))
    if empty := [name for name in REQUIRED if not values[name]]:
        raise ValueError(f"no {empty[0]}")
    phase = values.get("phase") or "online"
    if phase not in PHASES:
        raise ValueError(f"phase {phase!r}: offline or online")
    for name in ("seed", "step"):
        if not values[name].isdecimal():
            raise ValueError(f"{name} {values[name]!r}: a whole number")
    try:
        success = float(values["success"])
    except ValueError:
        success = -1.0
    if not 0 <= success <= 1:
        raise ValueError(f"success {values['success']!r}: a share of episodes, from 0 to 1")
    seed = int(values["seed"])
    evaluation = {"seed": seed, "phase": phase, "step": int(values["step"]), "success": [success]}
    return (BY_LABEL.get(values["method"], values["method"]), values["task"], seed), evaluation


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
