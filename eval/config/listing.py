"""What there is to choose from: `python -m eval.run --list`."""

import re
from itertools import groupby
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
            tasks(),
            f"methods on {task.name}, preset {preset} (--task and --preset choose others)\n\n" + methods_on(task, preset),
        ]
    )


def tasks() -> str:
    """A line for the tasks that differ in their goals alone, with the goals that each of the paper's protocols has."""
    lines = []
    for _, group in groupby(TASKS.values(), lambda task: (task.dataset, task.obs_dim)):
        same = list(group)
        used = [" ".join(goal(t) for t in same if protocol in t.protocols) for protocol in get_args(Protocol)]
        lines.append([name_of_all(same), same[0].obs_dim, same[0].action_dim, same[0].time_limit, same[0].dataset, *used])
    head = ["task", "obs", "action", "steps", "data", *(f"paper's {protocol}" for protocol in get_args(Protocol))]
    return tabulate(lines, head, disable_numparse=True, colalign=("left", "right", "right", "right", "left", "left", "left"))


def name_of_all(tasks: list[Task]) -> str:
    """cube-single-task[1-5] for cube-single-task1 to cube-single-task5."""
    first, last = goal(tasks[0]), goal(tasks[-1])
    return tasks[0].name if len(tasks) == 1 else f"{tasks[0].name.removesuffix(first)}[{first}-{last}]"


def goal(task: Task) -> str:
    """The number at the end of a task's name; a task without one is its own only goal."""
    return found[0] if (found := re.findall(r"\d+$", task.name)) else "yes"


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
    own = METHODS[config.method].on(config.task.dataset)
    paths = [f"{part}.{name}" for part in ("algo", "backbone") for name in own if hasattr(getattr(config, part), name)]
    return ", ".join(f"{path.partition('.')[2]} {number(config, path)}" for path in paths if path not in NUMBERS.values())


def number(config: Config, path: str) -> str:
    part, _, field = path.partition(".")
    value: Any = getattr(getattr(config, part), field, "")
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
