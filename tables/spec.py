"""What each of the paper's tables is: its rows, its columns, and which runs belong to a cell (arXiv 2605.07727)."""

from dataclasses import dataclass, field
from typing import Any

from eval.methods import METHODS


@dataclass(frozen=True)
class Row:
    """A method as the paper prints it, or a variant of one: the options in which it differs from the method."""

    label: str
    method: str
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> str:
        """What `python -m eval.run` needs to make such a run."""
        changes = [f"--{name.replace('_', '-')} {value}" for name, value in self.changes.items()]
        return " ".join([f"--method {self.method}", *changes])


@dataclass(frozen=True)
class Column:
    label: str
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Success rates: mean and std over seeds of a phase's last evaluation, averaged over a column's tasks."""

    title: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    protocol: str = "offline-to-online"
    phase: str = "online"
    seeds: int = 5
    average: bool = True


def cubes(family: str) -> tuple[str, ...]:
    return tuple(f"cube-{family}-task{goal}" for goal in (2, 3, 4))


ROBOMIMIC = ("lift", "square", "can")
MAIN = tuple(Column(task, (task,)) for task in (*ROBOMIMIC, *cubes("double"), *cubes("triple"), *cubes("quadruple")))
GROUPS = (
    Column("Robo.", ROBOMIMIC),
    Column("Cube-2.", cubes("double")),
    Column("Cube-3.", cubes("triple")),
    Column("Cube-4.", cubes("quadruple")),
)
OFFLINE = ("cube-single-task2", "cube-double-task2", "scene-task2", "puzzle-3x3-task4", "puzzle-4x4-task4")


def rows(*methods: str) -> tuple[Row, ...]:
    return tuple(Row(METHODS[name].label, name) for name in methods)


TABLES = {
    "1": Table("Success rate (%), offline-to-online", rows("bfn", "qc-bfn", "fql", "qc-fql", "mvp", "dfp"), MAIN),
    "2": Table("Backbone x top-K, success rate (%)", rows("mvp", "mvp-top-k", "dfp-no-top-k", "dfp"), MAIN),
    "3": Table(
        "Weight of the top-K loss, success rate (%)",
        tuple(Row(f"lambda = {w}", "dfp", {"algo.elite_weight": w}) for w in (0.1, 0.5, 1.0, 5.0)),
        tuple(Column(task, (task,)) for task in cubes("quadruple")),
        average=False,
    ),
    "4": Table(
        "Number of elites, success rate (%)",
        tuple(Row(f"K = {k}", "dfp", {"algo.num_elites": k}) for k in (1, 2, 4, 8)),
        GROUPS,
    ),
    "7": Table(
        "Success rate (%), offline",
        rows("bc", "fql", "dfp"),
        tuple(Column(task, (task,)) for task in OFFLINE),
        protocol="offline",
        phase="offline",
        seeds=8,
        average=False,
    ),
}
