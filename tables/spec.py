"""What each of the paper's tables is: its rows, its columns, and which runs belong to a cell (arXiv 2605.07727)."""

from dataclasses import dataclass
from typing import Any

Where = dict[str, Any]  # conditions on a run's configuration: "algo.name" -> "dfp"


@dataclass(frozen=True)
class Row:
    """A method as the paper prints it, the runs that are it, and the options that make one."""

    label: str
    where: Where
    options: str


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


def method(label: str, algo: str, backbone: str, **numbers: Any) -> Row:
    """A row of runs with this algorithm and backbone, and these of the algorithm's numbers."""
    where = {"algo.name": algo, "backbone.name": backbone} | {f"algo.{name}": value for name, value in numbers.items()}
    options = [f"--backbone {backbone} --algo {algo}"]
    options += [f"--algo.{name.replace('_', '-')} {value}" for name, value in numbers.items()]
    return Row(label, where, " ".join(options))


BFN = method("BFN", "dfp", "flow", horizon=1, elite_weight=0.0, best_of=4, target_best_of=4)
QC_BFN = method("QC-BFN", "dfp", "flow", horizon=5, elite_weight=0.0, best_of=32, target_best_of=32)
FQL = method("FQL", "fql", "flow", horizon=1)
QC_FQL = method("QC-FQL", "fql", "flow", horizon=5)
MVP = method("MVP", "dfp", "meanflow", elite_weight=0.0)
MVP_TOP_K = method("MVP w/ top-K", "dfp", "meanflow", elite_weight=0.5)
DFP_BC = method("DFP w/o top-K", "dfp", "drifting", elite_weight=0.0)
DFP = method("DFP", "dfp", "drifting", elite_weight=0.5)

TABLES = {
    "1": Table("Success rate (%), offline-to-online", (BFN, QC_BFN, FQL, QC_FQL, MVP, DFP), MAIN),
    "2": Table("Backbone x top-K, success rate (%)", (MVP, MVP_TOP_K, DFP_BC, DFP), MAIN),
    "3": Table(
        "Weight of the top-K loss, success rate (%)",
        tuple(method(f"lambda = {w}", "dfp", "drifting", elite_weight=w) for w in (0.1, 0.5, 1.0, 5.0)),
        tuple(Column(task, (task,)) for task in cubes("quadruple")),
        average=False,
    ),
    "4": Table(
        "Number of elites, success rate (%)",
        tuple(method(f"K = {k}", "dfp", "drifting", num_elites=k, elite_weight=0.5) for k in (1, 2, 4, 8)),
        GROUPS,
    ),
    "7": Table(
        "Success rate (%), offline",
        (method("BC", "bc", "gaussian"), method("FQL", "fql", "flow"), method("DFP", "dfp", "drifting")),
        tuple(Column(task, (task,)) for task in OFFLINE),
        protocol="offline",
        phase="offline",
        seeds=8,
        average=False,
    ),
}
