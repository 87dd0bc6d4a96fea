"""Protocols: every number that a result depends on, and the presets that fill them in.

quick     small networks and few steps, for a laptop's CPU; the values are ours
paper     Tables 5 and 8 of arXiv 2605.07727 as printed
release   as paper, with the kernel bandwidths of the authors' released configuration
"""

import dataclasses
import difflib
import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from algos.base import Algorithm
from backbones.base import Backbone, find, option
from envs.replay import DataOrder
from envs.task import Protocol, SuccessTiming, Task, find_task
from eval.config.methods import DEFAULT, METHODS, OFFLINE, QUADRUPLE, ROBOMIMIC, values_of
from eval.results.record import HARMLESS


@dataclass(frozen=True)
class Config:
    """One run, whole: equal configurations, data and machine give equal results."""

    task: Task
    method: str
    backbone: Backbone
    algo: Algorithm
    preset: str
    protocol: Protocol
    changes: dict[str, Any]  # options in which the run is not the method in this preset
    seeds: tuple[int, ...] = option((0,), "seeds to train together in this process")
    offline_steps: int = option(1_000_000, "gradient steps on the dataset alone")
    online_steps: int = option(1_000_000, "environment steps a seed, one gradient step each")
    online_warmup: int = option(5_000, "online environment steps before the first online gradient step")
    replay_capacity: int = option(0, "online rows kept a seed; 0 keeps all")
    data_order: DataOrder = option(
        "uniform", "chunks from the whole dataset, or shards: from the next million rows every 1000 steps, online from the last"
    )
    eval_every: int = option(100_000, "steps between evaluations; the end of each phase is always evaluated")
    eval_episodes: int = option(100, "episodes of an evaluation, for each seed")
    log_every: int = option(1_000, "steps between lines of metrics")
    success_timing: SuccessTiming = option("post", "OGBench: success describes the state after (post) or before (pre) the step")

    def __post_init__(self) -> None:
        if reason := self.algo.misfit(self.backbone):
            raise ValueError(f"{name_of(self.algo)} with {name_of(self.backbone)}: {reason}")
        for name in ("offline_steps", "online_steps", "online_warmup", "replay_capacity"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} {getattr(self, name)}: must not be negative")
        if 0 < self.replay_capacity <= self.algo.horizon:
            raise ValueError(f"replay_capacity {self.replay_capacity}: must exceed the horizon, {self.algo.horizon}, or be 0")
        for name in ("eval_every", "eval_episodes", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: at least 1")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or not 0 <= min(self.seeds) <= max(self.seeds) < 2**63:
            raise ValueError(f"seeds {' '.join(map(str, self.seeds))}: one or more different numbers from 0 to 2^63 - 1")

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


Values = dict[str, Any]  # by field: a backbone, an algorithm and a run take those that they have


def quick(task: Task) -> Values:
    """Minutes on two cores: small networks, few steps, a falling learning rate. Tuned on cube-single-task2 for DFP."""
    steps = {"offline_steps": 18_000, "online_steps": 3_000, "eval_every": 3_000}
    if task.dataset in ROBOMIMIC:  # a fifth of the rows, and a slower simulator
        steps = {"offline_steps": 5_000, "online_steps": 1_500, "eval_every": 2_500}
    return steps | {
        "width": 256,
        "depth": 2,
        "critic_width": 256,
        "critic_depth": 2,
        "batch_size": 128,
        "learning_rate": 1e-3,
        "final_rate": 0.1,
        "discount": 0.98,
        "target_rate": 0.01,
        "temperatures": (0.2,),
        "num_generated": 4,
        "num_candidates": 8,
        "num_elites": 4,
        "best_of": 4,
        "target_best_of": 4,
        "online_warmup": 500,
        "log_every": 250,
    }


def paper(task: Task) -> Values:
    """Tables 5 and 8 as printed: each method's own numbers, 1M + 1M steps. cube-quadruple's 100M rows come shard by shard."""
    return {"data_order": "shards"} if task.dataset == QUADRUPLE else {}


def release(task: Task) -> Values:
    """As `paper`, with the one kernel bandwidth that the authors' released configuration has."""
    return paper(task) | {"temperatures": (0.1,)}


SIZES = {"width", "depth", "critic_width", "critic_depth"}
PRESETS = {"quick": quick, "paper": paper, "release": release}


def configure(
    task: str = "cube-single-task2",
    method: str | None = None,
    backbone: str | None = None,
    algo: str | None = None,
    preset: str = "quick",
    protocol: str | None = None,
    **changes: Any,
) -> Config:
    """A configuration: class defaults, then the method's numbers for the task, then the preset's, then `changes`.

    A method, or an algorithm and a backbone (DFP with drifting, if none is named). Changes go by the command line's names:
    `offline_steps`, `"algo.num_elites"`, `"backbone.temperatures"`. ValueError in one line for what does not exist or fit.
    """
    found = find_task(task)
    if preset not in PRESETS:
        raise ValueError(f"unknown preset '{preset}'; there are {', '.join(PRESETS)}")
    method, algo, backbone = resolve(method, algo, backbone)
    protocol = protocol or default_protocol(found, preset)
    values = {**values_of(method, found.name, found.dataset, protocol), **PRESETS[preset](found)}
    if protocol == "offline":
        values |= OFFLINE

    def build(cls: type, prefix: str, **fixed: Any) -> Any:
        known = {f.name for f in dataclasses.fields(cls)}
        own = {name.removeprefix(prefix): value for name, value in changes.items() if name.startswith(prefix)}
        own = {name: value for name, value in own.items() if "." not in name}
        if unknown := sorted(own.keys() - known):
            raise ValueError(f"unknown option '{prefix}{unknown[0]}'; there are {', '.join(sorted(known))}")
        preset_s = {name: value for name, value in values.items() if name in known}
        defaults = cls(**fixed | preset_s)
        changed.update({prefix + name: v for name, v in own.items() if v != getattr(defaults, name) and name not in HARMLESS})
        for name, value in own.items():
            if any(isinstance(x, float) and not math.isfinite(x) for x in (value if isinstance(value, tuple) else (value,))):
                raise ValueError(f"{prefix}{name} {value}: must be a finite number")
        for name in SIZES & known:
            if own.get(name, 1) < 1:
                raise ValueError(f"{prefix}{name} {own[name]}: at least 1")
        return cls(**fixed | preset_s | own)

    changed: dict[str, Any] = {}  # what makes this a variant of the method
    parts = {
        "backbone": build(find("backbones", Backbone, backbone), "backbone."),
        "algo": build(find("algos", Algorithm, algo), "algo."),
    }
    name = method or f"{algo}-{backbone}"
    return build(Config, "", task=found, method=name, preset=preset, protocol=protocol, changes=changed, **parts)


def resolve(method: str | None, algo: str | None, backbone: str | None) -> tuple[str | None, str, str]:
    """The method, if the choice is one, its algorithm and its backbone."""
    if method is None:
        algo, backbone = algo or "dfp", backbone or "drifting"
        return DEFAULT.get((algo, backbone)), algo, backbone
    if method not in METHODS:
        near = difflib.get_close_matches(method, METHODS, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(METHODS)}"
        raise ValueError(f"unknown method '{method}'; {hint}")
    own = METHODS[method]
    if (algo or own.algo) != own.algo or (backbone or own.backbone) != own.backbone:
        raise ValueError(f"method {method} is {own.algo} with {own.backbone}; name another method, or an algo and a backbone")
    return method, own.algo, own.backbone


def default_protocol(task: Task, preset: str) -> str:
    """The first of the paper's protocols that has the task; `quick` always has an online phase."""
    return task.protocols[0] if task.protocols and preset != "quick" else "offline-to-online"
