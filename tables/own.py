"""The table of tasks from outside: every method that has finished runs on them, a column for each task and its data."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from envs.outside import is_own_task
from eval.results.record import PHASES, Run, scored_by
from tables import cells, rules
from tables.result import Cell, Result
from tables.spec import Column, Row, Table, label_of

TITLE = "Tasks from outside, at the end of each phase"


def build(runs: Sequence[Run], preset: str, mixed: bool = False) -> Result:
    """All that there is of a preset, and policies trained elsewhere, in each phase that any run has; changes that all runs have
    are in the title, the others in the label of a row."""
    finished = [run for run in runs if is_own(run) and run.status == "finished"]
    own = [run for run in finished if run.start["config"]["preset"] == preset or rules.is_from_elsewhere(run)]
    shared = shared_changes([run for run in own if not rules.is_from_elsewhere(run)])
    said = ", ".join(f"{name} {value}" for name, value in shared.items())
    rows = {label(run, shared): run.start["config"] for run in own}
    columns: dict[str, list[Run]] = defaultdict(list)
    for run in own:
        columns[column_of(run)].append(run)
    table = Table(
        TITLE,
        tuple(Row(text, config["method"], config["changes"]) for text, config in sorted(rows.items())),
        tuple(Column(text, (found[0].start["config"]["task"],)) for text, found in columns.items()),
        phases=tuple(phase for phase in PHASES if any(phase in phases_of(run) for run in own)) or PHASES,
        seeds=most_seeds(own),
        decimals=(1, 1),
    )

    def cell(row: Row, column: Column) -> Cell:
        found: dict[tuple[str, str, str, str], list[Run]] = defaultdict(list)
        for run in columns[column.label]:
            config = run.start["config"]
            found[config["method"], config["task"], preset, table.protocol].append(run)
        return replace(cells.phase_by_phase(table, row, column, found, preset, mixed), gaps=())

    title = f"{TITLE if own else 'No finished run on a task from outside'}. Preset {preset}{f' with {said}' if said else ''}."
    grid = [[cell(row, column) for column in table.columns] for row in table.rows]
    return cells.assemble("own", table, title, [row.label for row in table.rows], [*columns], grid, ())


def is_own(run: Run) -> bool:
    """Whether a run's task is none of the suite's."""
    return is_own_task(run.start["config"]["task"])


def column_of(run: Run) -> str:
    """The task, its data, and what counts."""
    data = run.start.get("dataset", {}).get("name")
    return f"{run.start['config']['task']}{f' on {data}' if data else ''}, {scored_by(run.start)}"


def shared_changes(runs: Sequence[Run]) -> dict[str, Any]:
    """What every run has in common of that in which it is not the method in this preset."""
    first, *others = [run.start["config"]["changes"] for run in runs] or [{}]
    return {name: value for name, value in first.items() if all(name in o and o[name] == value for o in others)}


def label(run: Run, shared: dict[str, Any]) -> str:
    config = run.start["config"]
    return label_of(config | {"changes": {name: value for name, value in config["changes"].items() if name not in shared}})


def most_seeds(runs: Iterable[Run]) -> int:
    """How many seeds the method has that has most of them on one task, in however many runs."""
    seeds: dict[tuple[str, str], set[int]] = defaultdict(set)
    for run in runs:
        seeds[label(run, {}), column_of(run)].update(run.start["config"]["seeds"])
    return max(map(len, seeds.values()), default=0)


def phases_of(run: Run) -> set[str]:
    return {evaluation["phase"] for evaluation in run.evaluations}
