"""Table 9, the time of an update and of an action, from records of `eval.bench`; Table 10, the hours that runs took."""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.config.methods import COMPARED, METHODS
from eval.results.record import Run
from tables import published
from tables.result import Cell, Gap, Line, Number, Result
from tables.spec import TABLES, Table, belongs, on_its_tasks

TITLES = {"9": "Time of an online training step and of an action (ms)", "10": "Compute (hours)"}
EXPERIMENTS = {
    "Main offline-to-online (Table 1)": "1",
    "Backbone × top-K (Table 2)": "2",
    "Top-K size (Table 4)": "4",
    "Drift weight λ (Table 3)": "3",
    "Offline RL evaluation (Table 7)": "7",
    **{f"Table {name}": name for name, table in TABLES.items() if not table.in_paper},
}
"""The lines of Table 10, and the tables whose runs they count: the paper's experiments, then our own tables."""
OTHER = "Other runs"

Bench = dict[str, Any]
Times = Mapping[str, float]  # of an update, in milliseconds, by phase


def published_9() -> Result:
    return published.verbatim("9", TITLES["9"], corner="cost", numeric=True, decimals=(2, 0))


def published_10() -> Result:
    return published.verbatim("10", TITLES["10"], corner="experiment", numeric=True)


def load_benches(files: Iterable[Path]) -> list[Bench]:
    """The records of `eval.bench` among these files; each knows its path."""
    benches = []
    for path in (file for file in files if file.suffix == ".json"):
        try:
            bench = json.loads(path.read_bytes())
            if {"preset", "updates", "action_ms", "device", "commit"} <= bench.keys():
                benches.append({**bench, "path": path})
        except (ValueError, OSError, AttributeError) as error:
            print(f"left out: {path}: {error}", file=sys.stderr)
    return benches


def update_ms(benches: Iterable[Bench], method: str, preset: str, phase: str) -> tuple[float, Bench] | None:
    """The fastest measured update of one seed, all of it in float32, in milliseconds, and the record that says so."""
    wanted = {"method": method, "phase": phase, "seeds": 1, "ranking": "float32"}
    times = [
        (update["ms"], bench)
        for bench in benches
        if bench["preset"] == preset
        for update in bench["updates"]
        if wanted.items() <= update.items() and "vary" not in update
    ]
    return min(times, key=lambda pair: pair[0], default=None)


def updates_ms(times: Times, config: Mapping[str, Any], phase: str, step: int) -> float:
    """What all updates of a run with this configuration take up to a step of a phase, in milliseconds."""
    if phase == "offline":
        return times["offline"] * step
    online = max(step - config.get("online_warmup", 0), 0) * config.get("updates_per_step", 1)
    return times["offline"] * config["offline_steps"] + times["online"] * online


def action_ms(benches: Iterable[Bench], method: str, preset: str) -> tuple[float, Bench] | None:
    """The fastest measured action, and the record that says so."""
    own = (bench for bench in benches if bench["preset"] == preset and method in bench["action_ms"])
    return min(((bench["action_ms"][method], bench) for bench in own), key=lambda pair: pair[0], default=None)


def fullest(benches: Sequence[Bench], preset: str) -> list[Bench]:
    """The one record that measured most of the methods, in turn, so that its times compare: the first of equals, or none."""

    def measured(bench: Bench) -> int:
        return sum(update_ms([bench], method, preset, "online") is not None for method in COMPARED)

    return sorted(filter(measured, benches), key=measured, reverse=True)[:1]


def build_9(benches: Sequence[Bench], preset: str) -> Result:
    benches = fullest(benches, preset)

    def cell(found: tuple[float, Bench] | None, method: str) -> Cell:
        if found is not None:
            return Cell((Number(found[0]),))
        if preset == "imported":
            return Cell()
        command = f"python -m eval.bench --preset {preset} --out records/bench/all.json"
        return Cell(gaps=(Gap(command, METHODS[method].label, method, preset),))

    lines = (
        Line("Online Cost (ms)", tuple(cell(update_ms(benches, m, preset, "online"), m) for m in COMPARED)),
        Line("Evaluation Cost (ms)", tuple(cell(action_ms(benches, m, preset), m) for m in COMPARED)),
    )
    columns = tuple(METHODS[method].label for method in COMPARED)
    title = f"{TITLES['9']}. Preset {preset}."
    notes = tuple(f"{b['path']}: {b['device']}, commit {b['commit']}; actions on the CPU, by one thread." for b in benches)
    return Result("9", title, columns, lines, notes, decimals=(2, 0), corner="cost")


def build_10(runs: Sequence[Run], preset: str) -> Result:
    """Hours by experiment and method, each run once, in the first table that has it; failed runs took time too."""
    found: dict[tuple[str, str], list[Run]] = defaultdict(list)
    silent = []
    for run in runs:
        if run.seconds is None:
            silent.append(str(run.path))
            continue
        for row in (experiment(run, preset), "Total"):
            for column in (label(run), "Total"):
                found[row, column].append(run)

    def cell(runs: Sequence[Run]) -> Cell:
        return Cell((Number(sum(run.seconds or 0 for run in runs) / 3600),), runs=tuple(runs))

    methods = sorted({column for _, column in found if column != "Total"})
    columns = (*methods, "Total")
    lines = tuple(
        Line(row, tuple(cell(found.get((row, column), ())) for column in columns)) for row in (*EXPERIMENTS, OTHER, "Total")
    )
    devices = sorted({str(run.start.get("device")) for run in runs if run.seconds is not None})
    notes = [f"On {'; '.join(devices)}."] if devices else []
    notes += (
        [f"not counted, since they do not say how long they took: {len(silent)}, the first of them {silent[0]}."]
        if silent
        else []
    )
    title = f"{TITLES['10']}. Tables of preset {preset}; a run counts once, in the first table that has it."
    return Result("10", title, columns, lines, tuple(notes), decimals=(1, 0), corner="experiment")


def experiment(run: Run, preset: str) -> str:
    """The first experiment that a run belongs to."""
    return next((name for name, key in EXPERIMENTS.items() if asks_for(TABLES[key], run, preset)), OTHER)


def asks_for(table: Table, run: Run, preset: str) -> bool:
    """Whether a run, finished or not, is one of the table's."""
    config = run.start["config"]
    return on_its_tasks(config, table, preset) and any(belongs(config, row) for row in table.rows)


def label(run: Run) -> str:
    method = run.start["config"]["method"]
    return METHODS[method].label if method in METHODS else method
