"""A run, whole: every number that its result depends on, to JSON and back."""

import dataclasses
import hashlib
import json
import math
import types
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from algos.base import Algorithm
from algos.qgbs import QGBS
from backbones.base import Backbone, find, option
from envs import outside
from envs.replay import DataOrder
from envs.task import Protocol, SuccessTiming, Task, find_task
from eval.config.options import check_seeds
from eval.results.record import NOT_OFFLINE

Act = Literal["policy", "qgbs"]
WarmupActions = Literal["policy", "random"]
SIZES = {"width", "depth", "critic_width", "critic_depth"}


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
    dataset: str = option("own", "data to learn from: a file, the id of a Minari dataset, none, or the task's own", later=True)
    normalize_obs: bool = option(False, "the networks see observations by the data's mean and standard deviation", later=True)
    seeds: tuple[int, ...] = option((0,), "seeds to train together in this process, as 0 1 2 or 0-2")
    offline_steps: int = option(1_000_000, "gradient steps on the dataset alone")
    online_steps: int = option(1_000_000, "environment steps a seed")
    online_warmup: int = option(5_000, "online environment steps before the first online gradient step")
    warmup_actions: WarmupActions = option(
        "policy", "who acts until then: the policy, or random, an action drawn uniformly at every step", later=True
    )
    updates_per_step: float = option(
        1, "UTD: gradient steps for each online environment step; 0.5 is one at every second step", later=True
    )
    online_share: float = option(
        0.0, "share of an online batch that is drawn from online rows; 0.5 is balanced, 0 draws from all rows alike", later=True
    )
    replay_capacity: int = option(0, "online rows kept a seed; 0 keeps all")
    data_order: DataOrder = option(
        "uniform",
        "chunks from the whole dataset, or shards: from the next million rows every 1000 steps, online from the last; "
        "turning-shards: online from the next ones, too",
        later=True,
    )
    eval_every: int = option(100_000, "steps between evaluations; the end of each phase is always evaluated")
    eval_episodes: int = option(100, "episodes of an evaluation, for each seed")
    log_every: int = option(1_000, "steps between lines of metrics")
    act: Act = option(
        "policy", "how evaluations act: as the algorithm does (policy), or by a search around its actions (qgbs)", later=True
    )
    qgbs_rounds: int = option(1, "rounds of that search; with 0 actions climb Q by one step, for any backbone", later=True)
    success_timing: SuccessTiming = option("post", "OGBench: success describes the state after (post) or before (pre) the step")

    def __post_init__(self) -> None:
        if reason := self.algo.misfit(self.backbone):
            raise ValueError(f"{name_of(self.algo)} with {name_of(self.backbone)}: {reason}")
        if isinstance(acting := self.acting(), QGBS) and (reason := acting.misfit(self.backbone)):
            raise ValueError(f"act qgbs for {name_of(self.algo)} with {name_of(self.backbone)}: {reason}")
        _check_numbers(self.backbone, "backbone.")
        _check_numbers(self.algo, "algo.")
        for name in ("offline_steps", "online_steps", "online_warmup", "replay_capacity", "qgbs_rounds"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} {getattr(self, name)}: must not be negative")
        if self.offline_steps == self.online_steps == 0:
            raise ValueError("offline_steps 0, online_steps 0: there is nothing to run; one must be above 0")
        if self.algo.needs_offline and self.offline_steps == 0:
            raise ValueError(f"offline_steps 0: {name_of(self.algo)} keeps to what its offline phase learned; at least 1")
        if 0 < self.replay_capacity <= self.algo.horizon:
            raise ValueError(f"replay_capacity {self.replay_capacity}: must exceed the horizon, {self.algo.horizon}, or be 0")
        if not 0 <= self.online_share <= 1:
            raise ValueError(f"online_share {self.online_share}: a share lies in [0, 1]")
        if not 0 < self.updates_per_step < math.inf:
            raise ValueError(f"updates_per_step {self.updates_per_step}: above 0")
        for name in ("eval_every", "eval_episodes", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: at least 1")
        check_seeds(self.seeds)

    def acting(self) -> Algorithm | QGBS:
        """What acts in evaluations."""
        return QGBS(self.algo, self.qgbs_rounds) if self.act == "qgbs" else self.algo

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain values: what a record, a checkpoint and a policy file keep."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain["task"] = self.task.name
        for part in ("backbone", "algo"):
            plain[part] = {"name": name_of(plain[part]), **asdict(plain[part])}
        return json.loads(json.dumps(plain))

    def offline_phase(self) -> dict[str, Any]:
        """All that the offline phase and its evaluations depend on, as plain values."""
        plain, unread = self.to_json(), self.algo.online_options()
        plain["algo"] = {name: value for name, value in plain["algo"].items() if name not in unread}
        return {name: value for name, value in plain.items() if name not in NOT_OFFLINE}

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> "Config":
        """The configuration that `to_json` wrote, equal to it and with the same digest.

        A record that is older than a field has the field's default. ValueError in one line for a field that is unknown, missing
        or of another type, and for all that `Config` refuses.
        """
        return _read_fields(Config, plain, "")

    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:12]


def name_of(part: Backbone | Algorithm) -> str:
    """The name on the command line: that of the file which defines it."""
    return outside.name_of(type(part)) or type(part).__module__.rpartition(".")[2]


def find_part(kind: Any, name: str) -> type:
    """The backbone or algorithm of this name, the suite's or from outside. ValueError where there is none."""
    folder = {Backbone: "backbones", Algorithm: "algos"}[kind]
    return outside.load_class(name, kind) if outside.is_outside(name) else find(folder, kind, name)


def later_options(plain: Mapping[str, Any]) -> dict[str, Any]:
    """What older files of this configuration's backbone and algorithm lack and mean: the options that came later, with their
    defaults as plain values, by the command line's names."""
    parts = {f"{part}.": find_part(kind, plain[part]["name"]) for part, kind in (("backbone", Backbone), ("algo", Algorithm))}
    found = {prefix + name: value for prefix, cls in {"": Config, **parts}.items() for name, value in _later(cls).items()}
    return json.loads(json.dumps(found))


def _later(cls: type) -> dict[str, Any]:
    return {f.name: f.default for f in dataclasses.fields(cls) if f.metadata.get("later")}


def _check_numbers(part: Backbone | Algorithm, prefix: str) -> None:
    """ValueError for what no backbone and no algorithm can use."""
    for f in dataclasses.fields(part):
        value = getattr(part, f.name)
        if any(isinstance(x, float) and not math.isfinite(x) for x in (value if isinstance(value, tuple) else (value,))):
            raise ValueError(f"{prefix}{f.name} {value}: must be a finite number")
        if f.name in SIZES and value < 1:
            raise ValueError(f"{prefix}{f.name} {value}: at least 1")


def _read_fields(cls: type, plain: Any, prefix: str) -> Any:
    """A dataclass from plain values of all its fields and no others; those that came later may be missing."""
    if not isinstance(plain, Mapping):
        raise ValueError(f"configuration: {prefix or 'it '}is {plain!r}, not an object with fields")
    hints, names = get_type_hints(cls), [f.name for f in dataclasses.fields(cls)]
    plain = _later(cls) | dict(plain)
    if missing := [name for name in names if name not in plain]:
        raise ValueError(f"configuration: no '{prefix}{missing[0]}'")
    if unknown := [name for name in plain if name not in names]:
        raise ValueError(f"configuration: unknown '{prefix}{unknown[0]}'; there are {', '.join(names)}")
    return cls(**{name: _read_value(hints[name], plain[name], prefix + name) for name in names})


def _read_value(hint: Any, plain: Any, name: str) -> Any:
    """A plain value as the type that its field has."""
    if hint is Task:
        return find_task(plain)
    if hint in (Backbone, Algorithm):
        own = dict(plain) if isinstance(plain, Mapping) else {}
        return _read_fields(find_part(hint, own.pop("name", "")), own, f"{name}.")
    if get_origin(hint) is tuple and isinstance(plain, list):
        return tuple(_read_value(get_args(hint)[0], entry, name) for entry in plain)
    if get_origin(hint) is dict and isinstance(plain, Mapping):
        return {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()}
    if get_origin(hint) in (Union, types.UnionType):
        for kind in get_args(hint):
            with suppress(ValueError):
                return _read_value(kind, plain, name)
    fits = plain in get_args(hint) if get_origin(hint) is Literal else type(plain) in {float: (float, int)}.get(hint, (hint,))
    if not fits:
        raise ValueError(f"configuration: {name} is {plain!r}, needed is {getattr(hint, '__name__', hint)}")
    return plain
