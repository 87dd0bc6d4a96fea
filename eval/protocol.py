"""Protocols: every number that a result depends on, and the presets that fill them in.

quick     small networks and few steps, for a laptop's CPU; the values are ours
paper     Tables 5 and 8 of arXiv 2605.07727 as printed
release   as paper, with the kernel bandwidths of the authors' released configuration
"""

import dataclasses
import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from algos.base import Algorithm
from backbones.base import Backbone, find, option
from envs.robomimic import RobomimicTask
from envs.task import Protocol, SuccessTiming, Task, find_task


@dataclass(frozen=True)
class Config:
    """One run, whole: equal configurations, data and machine give equal results."""

    task: Task
    backbone: Backbone
    algo: Algorithm
    preset: str
    protocol: Protocol
    seeds: tuple[int, ...] = option((0,), "seeds to train together in this process")
    offline_steps: int = option(1_000_000, "gradient steps on the dataset alone")
    online_steps: int = option(1_000_000, "environment steps a seed, one gradient step each")
    online_warmup: int = option(5_000, "online environment steps before the first online gradient step")
    replay_capacity: int = option(0, "online rows kept a seed; 0 keeps all")
    eval_every: int = option(100_000, "steps between evaluations; the end of each phase is always evaluated")
    eval_episodes: int = option(100, "episodes of an evaluation, for each seed")
    log_every: int = option(1_000, "steps between lines of metrics")
    success_timing: SuccessTiming = option("post", "OGBench: success describes the state after (post) or before (pre) the step")

    def __post_init__(self) -> None:
        for name in ("offline_steps", "online_steps", "online_warmup", "replay_capacity"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} {getattr(self, name)}: must not be negative")
        if 0 < self.replay_capacity <= self.algo.horizon:
            raise ValueError(f"replay_capacity {self.replay_capacity}: must exceed the horizon, {self.algo.horizon}, or be 0")
        for name in ("eval_every", "eval_episodes", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: at least 1")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds {' '.join(map(str, self.seeds))}: one or more different numbers >= 0")

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain values: what a record and a checkpoint keep."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain["task"] = self.task.name
        for part in ("backbone", "algo"):
            plain[part] = {"name": name_of(plain[part]), **asdict(plain[part])}
        return json.loads(json.dumps(plain))

    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:12]


def name_of(part: Backbone | Algorithm) -> str:
    """The name on the command line: that of the file which defines it."""
    return type(part).__module__.rpartition(".")[2]


# What the presets set, by field; a backbone or an algorithm takes those that it has.
Values = dict[str, Any]


def quick(task: Task, protocol: str | None) -> Values:
    """Minutes on two cores: smaller networks, fewer steps, cheaper targets. Tuned on cube-single-task2 for DFP."""
    return {
        "protocol": protocol or "offline-to-online",
        "width": 256,
        "depth": 3,
        "critic_width": 256,
        "critic_depth": 3,
        "temperatures": (0.2,),
        "num_generated": 4,
        "target_best_of": 4,
        "best_of": 8,
        "old_policy_rate": 1e-3,
        "offline_steps": 10_000,
        "online_steps": 5_000,
        "online_warmup": 500,
        "eval_every": 2_500,
        "log_every": 250,
    }


def paper(task: Task, protocol: str | None) -> Values:
    """Table 5 (offline-to-online) or Table 8 (offline) as printed, by the task's own protocol if none is named."""
    protocol = protocol or (task.protocols or ("offline-to-online",))[0]
    if protocol == "offline":
        table_8 = TABLE_8.get(task.name, TABLE_8["cube-single-task2"])
        single = {"horizon": 1, "best_of": 1, "target_best_of": 1}
        return {"protocol": protocol, "elites_offline": True, "online_steps": 0, **single, **table_8}
    table_5: Values = {"num_elites": 4, "best_of": 16, "target_best_of": 16, "temperatures": (0.05,)}
    if isinstance(task, RobomimicTask):
        table_5 = {"num_elites": 2, "best_of": 4, "target_best_of": 4, "temperatures": (0.005, 0.05)}
    return {"protocol": protocol, **table_5}


TABLE_8: dict[str, Values] = {
    "cube-single-task2": {"elite_weight": 0.45, "temperatures": (0.05,), "num_candidates": 16, "num_elites": 8},
    "cube-double-task2": {"elite_weight": 0.55, "temperatures": (0.05,), "num_candidates": 16, "num_elites": 8},
    "scene-task2": {"elite_weight": 0.5, "temperatures": (0.01, 0.05), "num_candidates": 16, "num_elites": 8},
    "puzzle-3x3-task4": {"elite_weight": 0.5, "temperatures": (0.01, 0.05), "num_candidates": 16, "num_elites": 8},
    "puzzle-4x4-task4": {"elite_weight": 0.5, "temperatures": (0.01, 0.05), "num_candidates": 32, "num_elites": 16},
}


def release(task: Task, protocol: str | None) -> Values:
    """As `paper`, with the one kernel bandwidth that the authors' released configuration has."""
    return paper(task, protocol) | {"temperatures": (0.1,)}


PRESETS = {"quick": quick, "paper": paper, "release": release}
PresetName = Literal["quick", "paper", "release"]


def configure(
    task: str, backbone: str = "drifting", algo: str = "dfp", preset: str = "quick", protocol: str | None = None, **changes: Any
) -> Config:
    """The preset's configuration for a task, a backbone and an algorithm, with `changes` to fields of any of the three.

    Changes are named as on the command line: `offline_steps`, `"algo.num_elites"`, `"backbone.temperatures"`.
    """
    if preset not in PRESETS:
        raise ValueError(f"unknown preset '{preset}'; there are {', '.join(PRESETS)}")
    found_task = find_task(task)
    values = PRESETS[preset](found_task, protocol)

    def build(cls: type, prefix: str, **fixed: Any) -> Any:
        known = {f.name for f in dataclasses.fields(cls)}
        own = {name: value for name, value in changes.items() if not prefix and "." not in name}
        own |= {name.removeprefix(prefix): v for name, v in changes.items() if prefix and name.startswith(prefix)}
        if unknown := sorted(own.keys() - known):
            raise ValueError(f"unknown option '{prefix}{unknown[0]}'; there are {', '.join(sorted(known))}")
        return cls(**fixed | {name: value for name, value in values.items() if name in known} | own)

    return build(
        Config,
        "",
        task=found_task,
        backbone=build(find("backbones", Backbone, backbone), "backbone."),
        algo=build(find("algos", Algorithm, algo), "algo."),
        preset=preset,
    )
