"""Tables 5 and 8, hyperparameters: as the paper prints them, or as the records of DFP say."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

from eval.config.methods import TABLE_8
from eval.results.record import Run
from tables import published
from tables.commands import command
from tables.published import TABLE_5_FIELDS, shown
from tables.result import Cell, Gap, Line, Result
from tables.spec import OFFLINE_TASKS, ROBOMIMIC_TASKS, Row

TITLES = {"5": "Hyperparameters of DFP, offline-to-online", "8": "Hyperparameters of DFP by task, offline"}

O2O = "offline-to-online"

ROWS_8 = ("Drift weight λ", "Kernel bandwidth h", "Number of candidates for top-K, N", "Top-K positive set size K")


def published_5() -> Result:
    return published.verbatim("5", TITLES["5"], corner="parameter")


def published_8() -> Result:
    """TABLE_8 of eval/config/methods.py; what it leaves out is as in Table 5."""
    table_5 = published.table_5()

    def word(row: str, task: str) -> str:
        path = TABLE_5_FIELDS[row]
        field = path.rpartition(".")[2]
        return shown(TABLE_8[task][field]) if field in TABLE_8[task] else table_5[path]

    lines = tuple(Line(row, tuple(Cell(word=word(row, task)) for task in OFFLINE_TASKS)) for row in ROWS_8)
    return Result("8", f"{TITLES['8']}. {published.SOURCE}.", OFFLINE_TASKS, lines, corner="parameter")


def build_5(runs: Sequence[Run], preset: str) -> Result:
    def choose(robomimic: bool) -> Run | None:
        return newest(
            run for run in runs if plain(run, preset, O2O) and (run.start["config"]["task"] in ROBOMIMIC_TASKS) == robomimic
        )

    columns = {"OGBench": (choose(False), "cube-double-task2"), "Robomimic": (choose(True), "lift")}
    return as_recorded("5", tuple(published.read()["5"]["rows"]), columns, preset, O2O)


def build_8(runs: Sequence[Run], preset: str) -> Result:
    dfp = [run for run in runs if plain(run, preset, "offline")]
    columns = {task: (newest(run for run in dfp if run.start["config"]["task"] == task), task) for task in OFFLINE_TASKS}
    return as_recorded("8", ROWS_8, columns, preset, "offline")


def plain(run: Run, preset: str, protocol: str) -> bool:
    """Whether a run is DFP in this preset and protocol, unchanged."""
    config = run.start["config"]
    return (config["method"], config["preset"], config["protocol"], config["changes"]) == ("dfp", preset, protocol, {})


def newest(runs: Iterable[Run]) -> Run | None:
    return max(runs, key=lambda run: run.start["created"], default=None)


def as_recorded(
    name: str, rows: tuple[str, ...], columns: Mapping[str, tuple[Run | None, str]], preset: str, protocol: str
) -> Result:
    """The values in a run's configuration for each column; where there is no run, the one that would show them."""

    def cell(row: str, run: Run | None, task: str) -> Cell:
        if row not in TABLE_5_FIELDS or (not run and preset == "imported"):
            return Cell()
        if not run:
            run_dfp = command(Row("DFP", "dfp"), task, preset, protocol, (0,))
            return Cell(gaps=(Gap(run_dfp, "DFP", "dfp", preset, task, protocol, (0,), 1),))
        value = reduce(lambda part, field: part.get(field, {}), TABLE_5_FIELDS[row].split("."), run.start["config"])
        return Cell(word=shown(value), runs=(run,)) if value != {} else Cell()

    lines = tuple(Line(row, tuple(cell(row, *column) for column in columns.values())) for row in rows)
    notes = tuple(f"{column}: {run.path}" for column, (run, _) in columns.items() if run)
    return Result(name, f"{TITLES[name]}. Preset {preset}, from records.", tuple(columns), lines, notes, corner="parameter")
