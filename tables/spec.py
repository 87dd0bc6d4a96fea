"""What each table of success rates is: its rows, its columns, and which runs belong to a cell (arXiv 2605.07727)."""

from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from eval.config.methods import COMPARED, METHODS, TABLE_8
from eval.config.presets import PRESETS
from eval.results.record import ELSEWHERE

ANY_PRESET = (*PRESETS, "imported")
"""Those of runs, and that of results imported from a CSV file."""


@dataclass(frozen=True)
class Row:
    """A method as the paper prints it, or a variant of one: the options in which it differs from the method."""

    label: str
    method: str
    changes: dict[str, Any] = field(default_factory=dict)
    added: bool = False  # for runs that a reader has: nothing is asked for


@dataclass(frozen=True)
class Column:
    label: str
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Success rates: mean and std over seeds at the end of each phase, averaged over a column's tasks.

    The end is the phase's last evaluation, or the mean of those in its last part, `tail` of its steps.
    """

    title: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    protocol: str = "offline-to-online"
    phases: tuple[str, ...] = ("online",)
    seeds: int = 5
    average: bool = True
    preset: str | None = None  # the one preset that the table is of; None: any
    tasks_down: bool = False  # printed with a line for each task
    decimals: tuple[int, int] = (1, 0)  # of a mean and of a std
    tail: float = 0.0
    in_paper: bool = False  # published.toml has its numbers


def cubes(family: str) -> tuple[str, ...]:
    return tuple(f"cube-{family}-task{goal}" for goal in (2, 3, 4))


def each(*tasks: str) -> tuple[Column, ...]:
    return tuple(Column(task, (task,)) for task in tasks)


def rows(*methods: str) -> tuple[Row, ...]:
    """A row for each of these methods of `METHODS`."""
    return tuple(Row(METHODS[name].label, name) for name in methods)


ROBOMIMIC_TASKS = ("lift", "square", "can")
MAIN = each(*ROBOMIMIC_TASKS, *cubes("double"), *cubes("triple"), *cubes("quadruple"))
CUBES = {"Cube-2.": "double", "Cube-3.": "triple", "Cube-4.": "quadruple"}
GROUPS = (Column("Robo.", ROBOMIMIC_TASKS), *(Column(label, cubes(family)) for label, family in CUBES.items()))
SPARSE_FAMILIES = ("scene", "puzzle-3x3", "puzzle-4x4-100m")  # with rewards of -1 until all is solved
OFFLINE_TASKS = tuple(TABLE_8)
OFFLINE_METHODS = ("bc", "iql", "rebrac", "idql", "srpo", "cac", "fawac", "fbrac", "ifql", "fql", "dfp")
D4RL_METHODS = ("bc", "iql", "rebrac", "ifql", "fql", "dfp")
D4RL_MAZES = ("medium-play", "medium-diverse", "large-play", "large-diverse")


def belongs(config: dict[str, Any], row: Row) -> bool:
    """Whether a run's configuration is the row's method with the row's values, and with no other change."""

    def value(name: str) -> Any:
        return reduce(lambda part, field: part.get(field, {}), name.split("."), config)

    return (
        config["method"] == row.method
        and all(value(name) == wanted for name, wanted in row.changes.items())
        and not config["changes"].keys() - row.changes.keys()
    )


def on_its_tasks(config: dict[str, Any], table: Table, preset: str) -> bool:
    """Whether a run's configuration is of the table's preset, protocol and tasks; a policy trained elsewhere has no preset."""
    tasks = {task for column in table.columns for task in column.tasks}
    alike = config["preset"] in (table.preset or preset, ELSEWHERE) and config["protocol"] == table.protocol
    return alike and config["task"] in tasks


def label_of(config: dict[str, Any]) -> str:
    """A run's method as the paper prints it, and the values in which the run differs from it."""
    name = METHODS[config["method"]].label if config["method"] in METHODS else config["method"]
    return ", ".join([name, *(f"{option.rpartition('.')[2]} {value}" for option, value in sorted(config["changes"].items()))])


def all_methods(preset: str, *tasks: str) -> Table:
    """The paper's methods by one of our presets, on tasks that it learns."""
    return Table(
        "All eight methods, success rate (%), offline → online",
        rows(*COMPARED),
        each(*tasks),
        phases=("offline", "online"),
        seeds=3,
        average=False,
        preset=preset,
    )


TABLES: dict[str, Table] = {
    "1": Table(
        "Success rate (%), offline-to-online", rows("bfn", "qc-bfn", "fql", "qc-fql", "mvp", "dfp"), MAIN, in_paper=True
    ),
    "2": Table("Backbone x top-K, success rate (%)", rows("mvp", "mvp-top-k", "dfp-no-top-k", "dfp"), MAIN, in_paper=True),
    "3": Table(
        "Weight λ of the top-K loss, success rate (%)",
        tuple(Row(f"λ = {w}", "dfp", {"algo.elite_weight": w}) for w in (0.1, 0.5, 1.0, 5.0)),
        each(*cubes("quadruple")),
        average=False,
        in_paper=True,
    ),
    "4": Table(
        "Number of elites K, success rate (%)",
        tuple(Row(f"K = {k}", "dfp", {"algo.num_elites": k}) for k in (1, 2, 4, 8)),
        GROUPS,
        in_paper=True,
    ),
    "6": Table(
        "Success rate (%), offline → online",
        rows(*COMPARED),
        MAIN,
        phases=("offline", "online"),
        tasks_down=True,
        decimals=(1, 1),
        in_paper=True,
    ),
    "7": Table(
        "Success rate (%), offline, mean of the evaluations in the last fifth of training",
        rows(*OFFLINE_METHODS),
        each(*OFFLINE_TASKS),
        protocol="offline",
        phases=("offline",),
        seeds=8,
        average=False,
        tasks_down=True,
        decimals=(0, 0),
        tail=0.2,  # 800k, 900k and 1M of 1M steps, as FQL reports it (arXiv 2502.02538)
        in_paper=True,
    ),
    "qam": Table(
        "QAM and its relatives beside DFP, all with ten critics, success rate (%), offline → online",
        rows("fedit", "qc-fql-10", "qam", "qam-f", "qam-e", "dfp", "drifting-edit"),
        (
            *(Column(label, cubes(family)) for label, family in CUBES.items()),
            *(Column(family, tuple(f"{family}-task{goal}-sparse" for goal in range(1, 6))) for family in SPARSE_FAMILIES),
        ),
        phases=("offline", "online"),
        seeds=12,
        average=False,
        preset="qam",
    ),
    "laptop": all_methods("laptop", "cube-single-task2", "lift"),
    "small": all_methods("small", "cube-single-task2", "can", "lift"),
    "quick": all_methods("quick", "cube-single-task2", "lift"),
    "rivals": Table(
        "Methods to beat beside DFP, success rate (%), offline → online",
        rows("qc-fql", "qc-fql-10", "fmq", "qam-e", "dfp", "dfp-moved"),
        each("cube-single-task2", "lift"),
        phases=("offline", "online"),
        seeds=3,
        average=False,
        preset="quick",
    ),
    "d4rl": Table(
        "D4RL's hand, normalised score, offline, mean of the evaluations in the last fifth of training",
        rows(*D4RL_METHODS),
        each(
            *(f"d4rl-{hand}-{data}" for hand in ("pen", "door", "hammer", "relocate") for data in ("human", "cloned", "expert"))
        ),
        protocol="offline",
        phases=("offline",),
        seeds=8,
        tasks_down=True,
        decimals=(1, 1),
        tail=0.2,
    ),
    "d4rl-antmaze": Table(
        "D4RL's mazes, success rate (%), offline, mean of the evaluations in the last fifth of training",
        rows(*D4RL_METHODS),
        each(*(f"d4rl-antmaze-{maze}" for maze in ("umaze", "umaze-diverse", *D4RL_MAZES))),
        protocol="offline",
        phases=("offline",),
        seeds=8,
        tasks_down=True,
        decimals=(1, 1),
        tail=0.2,
    ),
}
"""By name. An entry is all that a table needs: `python -m tables NAME` shows it, and plan, compare and report know it."""
