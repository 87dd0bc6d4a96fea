"""What there is to choose from: `python -m eval.run --list`."""

import fnmatch
import re
from collections.abc import Callable, Iterable
from typing import Any, get_args

from tabulate import tabulate

from algos.base import Algorithm
from backbones.base import Backbone, names
from envs.suites import TASKS
from envs.task import Protocol, Task
from eval.config.config import Config, name_of
from eval.config.configure import configure
from eval.config.methods import METHODS
from eval.config.presets import PRESETS

GOAL = re.compile(r"task(\d+)")
SIZES = ["obs", "action", "steps"]
PROTOCOLS = [f"paper's {protocol}" for protocol in get_args(Protocol)]
NUMBERS = {
    "H": "algo.horizon",
    "N'": "algo.best_of",
    "N": "algo.num_candidates",
    "K": "algo.num_elites",
    "lambda": "algo.elite_weight",
    "alpha": "algo.distill_weight",
    "h": "backbone.temperatures",
    "IVC": "backbone.constraint_weight",
}


def listing(task: Task, preset: str) -> str:
    """Backbones, algorithms, presets and tasks, and every method's numbers on one of the tasks."""
    return "\n\n".join(
        [
            f"backbones   {', '.join(names('backbones', Backbone))}",
            f"algorithms  {', '.join(names('algos', Algorithm))}",
            "\n".join(f"preset {name:8} {preset.about}" for name, preset in PRESETS.items()),
            families() + "\n\nalso: as in antmaze-large-stitch-task1 and scene-task2-sparse; --list --task 'scene*' shows them",
            f"methods on {task.name}, preset {preset} (--task and --preset choose others)\n\n" + methods_on(task, preset),
        ]
    )


def families() -> str:
    """A line for each environment: its first tasks, what sets its others apart, the goals that the paper's protocols have."""
    lines = []
    for same in grouped(lambda task: GOAL.sub("", task.env)).values():
        first, *others = group_by_data(same).items()
        known = set(first[0].split("-"))
        others_words = ("-".join(word for word in name.split("-") if word not in known) for name, _ in others)
        lines.append([first[0], *sizes(same[0]), ", ".join(others_words), *goals_used(first[1])])
    return _table(lines, ["task", *SIZES, "also", *PROTOCOLS])


def tasks_like(pattern: str) -> str:
    """A line for the tasks that differ in their goals alone, of those whose names match; ValueError when none does."""
    matching = fnmatch.filter(TASKS, pattern)
    if not matching:
        raise ValueError(f"no task is called {pattern!r}; `--list` without --task shows their families")
    groups = group_by_data([TASKS[name] for name in matching])
    lines = [[name, *sizes(same[0]), same[0].dataset, *goals_used(same)] for name, same in groups.items()]
    return _table(lines, ["task", *SIZES, "data", *PROTOCOLS])


def group_by_data(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    """Tasks that differ in their goals alone, by the name of them all."""
    return {name_of_all(same): same for same in grouped(lambda task: GOAL.sub("", task.name), tasks).values()}


def grouped(key: Callable[[Task], str], tasks: Iterable[Task] = TASKS.values()) -> dict[str, list[Task]]:
    groups: dict[str, list[Task]] = {}
    for task in tasks:
        groups.setdefault(key(task), []).append(task)
    return groups


def sizes(task: Task) -> list[int]:
    return [task.obs_dim, task.action_dim, task.time_limit]


def goals_used(same: list[Task]) -> list[str]:
    """The goals that each of the paper's protocols has."""
    return [" ".join(goal(task) for task in same if protocol in task.protocols) for protocol in get_args(Protocol)]


def name_of_all(tasks: list[Task]) -> str:
    """cube-single-task[1-5] for cube-single-task1 to cube-single-task5."""
    first, last = goal(tasks[0]), goal(tasks[-1])
    return tasks[0].name if len(tasks) == 1 else GOAL.sub(f"task[{first}-{last}]", tasks[0].name)


def goal(task: Task) -> str:
    """The number of a task's goal; a task without one is its own only goal."""
    return found[1] if (found := GOAL.search(task.name)) else "yes"


def _table(lines: list[list[Any]], head: list[str]) -> str:
    return tabulate(lines, head, disable_numparse=True, colalign=("left", "right", "right", "right", "left", "left", "left"))


def methods_on(task: Task, preset: str) -> str:
    """A line for each method: its algorithm, its backbone and the numbers in which methods differ."""
    configs = [configure(task.name, method, preset=preset) for method in METHODS]
    lines = [
        [c.method, name_of(c.algo), name_of(c.backbone), *(number(c, path) for path in NUMBERS.values()), further_numbers(c)]
        for c in configs
    ]
    widths = [None] * (3 + len(NUMBERS)) + [60]
    return tabulate(lines, ["method", "algorithm", "backbone", *NUMBERS, "further"], disable_numparse=True, maxcolwidths=widths)


def further_numbers(config: Config) -> str:
    """What sets a method apart from its algorithm and its backbone, besides the numbers that have columns."""
    own = METHODS[config.method].on(config.task.dataset, config.protocol)
    paths = [f"{part}.{name}" for part in ("algo", "backbone") for name in own if hasattr(getattr(config, part), name)]
    return ", ".join(f"{path.partition('.')[2]} {number(config, path)}" for path in paths if path not in NUMBERS.values())


def number(config: Config, path: str) -> str:
    part, _, field = path.partition(".")
    value: Any = getattr(getattr(config, part), field, "")
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
