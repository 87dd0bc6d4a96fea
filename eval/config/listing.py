"""What there is to choose from: `python -m eval.run --list`."""

from typing import Any

from tabulate import tabulate

from algos.base import Algorithm
from backbones.base import Backbone, names
from envs.suites import TASKS
from envs.task import Task
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
    tasks = [[t.name, t.obs_dim, t.action_dim, t.time_limit, t.dataset, ", ".join(t.protocols)] for t in TASKS.values()]
    presets = [(f"  {name}", preset.about) for name, preset in PRESETS.items()]
    return "\n\n".join(
        [
            f"backbones   {', '.join(names('backbones', Backbone))}",
            f"algorithms  {', '.join(names('algos', Algorithm))}",
            "presets\n" + tabulate(presets, tablefmt="plain"),
            tabulate(tasks, ["task", "obs", "action", "time limit", "dataset", "the paper's protocols"]),
            f"methods on {task.name}, preset {preset}\n\n" + methods_on(task, preset),
        ]
    )


def methods_on(task: Task, preset: str) -> str:
    """A line for each method: its algorithm, its backbone and the numbers in which methods differ."""
    configs = [configure(task.name, method, preset=preset) for method in METHODS]
    lines = [
        [c.method, name_of(c.algo), name_of(c.backbone), *(number(c, path) for path in NUMBERS.values()), further_numbers(c)]
        for c in configs
    ]
    return tabulate(lines, ["method", "algorithm", "backbone", *NUMBERS, "further"], disable_numparse=True)


def further_numbers(config: Config) -> str:
    """What sets a method apart from its algorithm and its backbone, besides the numbers that have columns."""
    own = METHODS[config.method].on(config.task.dataset)
    paths = [f"{part}.{name}" for part in ("algo", "backbone") for name in own if hasattr(getattr(config, part), name)]
    return ", ".join(f"{path.partition('.')[2]} {number(config, path)}" for path in paths if path not in NUMBERS.values())


def number(config: Config, path: str) -> str:
    part, _, field = path.partition(".")
    value: Any = getattr(getattr(config, part), field, "")
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
