"""Policy files: what acting needs of one seed's networks, and beside the weights where they come from.

A file is in the safetensors format, so reading it runs no code. Its metadata has one entry, `policy`, a JSON object:

    {"format": 1, "sha256": of the weights, "run": {the record's first line}, "seed": 0, "phase": "online", "step": 3000,
     "obs": [28], "noise": [4, 25], "chunk": [5, 5], "evaluation": {"success": [1, 0], "return": [...], "length": [...]}}

Weights go by network and parameter, as `actor.layers.0.weight`. `evaluation` is the one that the record has of this policy.
Nothing is learned from a file's name.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from algos.learner import Actor
from algos.learner.standardize import STANDARDIZE, Standardize
from backbones.dense import Dense, Kernel
from envs.files.whole import staged
from eval.config.config import Config
from eval.results import record

FORMAT = 1
FOLDER, SUFFIX = "policies", ".safetensors"
ACTING = ("act", "qgbs_rounds")  # the options of a run that say how its policies act
Keep = Literal["none", "ends", "all"]
Step = int | Literal["last", "best"]


@dataclass(frozen=True)
class About:
    """What a policy file says of its policy; `run` is the first line of the run's record."""

    path: Path
    run: dict[str, Any]
    seed: int
    phase: str
    step: int
    evaluation: dict[str, list[Any]]
    sha256: str

    @property
    def name(self) -> str:
        return f"{self.phase} seed {self.seed} step {self.step}"

    @property
    def score(self) -> float:
        """Of the recorded episodes (`record.score`); below all others where none was recorded."""
        return record.score(self.evaluation) if self.evaluation["success"] else -math.inf


class Keeper:
    """Keeps policies in a run's folder, after an evaluation: none, those of the phases' ends, or all."""

    def __init__(self, path: Path, which: Keep):
        self.path, self.which = path, which

    def __call__(self, evaluation: Mapping[str, Any], actor: Actor) -> None:
        """`evaluation` is the line that the record at `path` has of this actor."""
        run = record.read(self.path, metrics=False).start
        seed, phase, step = (evaluation[name] for name in ("seed", "phase", "step"))
        if self.which == "none" or (self.which == "ends" and step != run["config"][f"{phase}_steps"]):
            return
        write(self.path.parent / FOLDER / f"{phase}-{step}-seed{seed}{SUFFIX}", actor, run, evaluation)


def write(path: Path, actor: Actor, run: Mapping[str, Any], evaluation: Mapping[str, Any]) -> None:
    """The actor's file, whole or not at all. `run` is the record's first line, `evaluation` its line of this actor."""
    config = Config.from_json(run["config"])
    own = needed(actor, config.task.obs_dim)
    weights = {f"{name}.{key}": p.contiguous() for name in own for key, p in actor.modules[name].state_dict().items()}
    about = {
        "format": FORMAT,
        "sha256": fingerprint(weights),
        "run": run,
        "obs": [config.task.obs_dim],
        "noise": list(actor.noise_shape()),
        "chunk": [config.algo.horizon, config.task.action_dim],
        "evaluation": {name: evaluation[name] for name in ("success", "return", "length", "score") if name in evaluation},
        **{name: evaluation[name] for name in ("seed", "phase", "step")},
    }
    data = save(weights, {"policy": json.dumps(about, separators=(",", ":"))})
    with staged(path) as (whole,):
        whole.write_bytes(data)


def needed(actor: Actor, obs_dim: int) -> list[str]:
    """The networks that acting calls, found by acting once: critics that choose among candidates, but no others."""
    called: dict[str, None] = {}
    hooks = [net.register_forward_hook(lambda *_, name=name: called.setdefault(name)) for name, net in actor.modules.items()]
    actor.choose(torch.zeros(1, obs_dim), torch.zeros(1, *actor.noise_shape()))
    for hook in hooks:
        hook.remove()
    return [name for name in actor.modules if name in called]


def fingerprint(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of names and values."""
    found = hashlib.sha256()
    for name in sorted(weights):
        found.update(name.encode() + weights[name].numpy().tobytes())
    return found.hexdigest()


def read_about(path: Path) -> About:
    """What a policy file says, without its weights. ValueError in one line when it is none, or of another version."""
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})["policy"])
        if about["format"] != FORMAT:
            raise ValueError(f"{path}: a policy of format {about['format']}, this version reads {FORMAT}")
        return About(path, *(about[name] for name in ("run", "seed", "phase", "step", "evaluation", "sha256")))
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not a whole policy file ({error or type(error).__name__})") from None


def read_actor(about: About, **changes: Any) -> tuple[Config, Actor]:
    """The policy and its configuration, with changed options of the algorithm, or of how it acts (ACTING). ValueError in one
    line for a file that is damaged, a task that is not here, and a change that needs networks which the file does not have."""
    with safe_open(about.path, "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
    if fingerprint(weights) != about.sha256:
        raise ValueError(f"{about.path}: damaged, its weights are not the ones that were written")
    plain = about.run["config"]
    try:
        acting = {name: changes.pop(name) for name in ACTING if name in changes}
        config = Config.from_json({**plain, **acting, "algo": {**plain["algo"], **changes}})
    except ValueError as error:
        raise ValueError(f"{about.path}: {error}") from None
    chunk_dim = config.algo.horizon * config.task.action_dim
    with torch.random.fork_rng(devices=[]):
        modules = config.algo.networks(config.backbone, config.task.obs_dim, chunk_dim)
    if config.normalize_obs:
        modules[STANDARDIZE] = Standardize(np.zeros(config.task.obs_dim), np.ones(config.task.obs_dim))
    kept = {name.partition(".")[0] for name in weights}
    own = {name: net for name, net in modules.items() if name in kept}
    actor = Actor(config.acting(), config.algo.policies(config.backbone), own, chunk_dim)
    for name, net in actor.modules.items():
        load(net, {key.partition(".")[2]: p for key, p in weights.items() if key.startswith(f"{name}.")}, about.path)
        compute_as(net, about.run.get("kernel"))
    try:
        needed(actor, config.task.obs_dim)
    except AttributeError as error:
        raise ValueError(f"{about.path}: it was kept without its {error.name}, which was not needed to act") from None
    return config, actor


def load(net: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """The weights into a network."""
    try:
        net.load_state_dict(weights)
    except RuntimeError:
        raise ValueError(f"{path}: its weights do not fit its configuration, it is of another version") from None


def compute_as(net: nn.Module, kernel: Kernel | None) -> None:
    """Hidden layers by the run's kernel, so that they round as in its evaluation; runs from before the choice name none."""
    for layer in net.modules():
        if kernel and isinstance(layer, Dense):
            layer.kernel = kernel


def find(where: Path, phase: str | None = None, seed: int | None = None, step: Step = "last") -> list[About]:
    """The policies that a run kept, one for each seed or of the one asked for, in the order of seeds.

    `where` is a run's folder, a folder of runs (the newest that kept any) or a policy file. Without `phase` it is the last one
    that was kept. ValueError in one line for what is not there.
    """
    every = kept(where)
    if not every:
        raise ValueError(f"{where}: no policy in this folder; `python -m eval.run --keep-policies ends` keeps them")
    newest = max(every, key=lambda about: str(about.run.get("created"))).run
    own = sorted(
        (about for about in every if about.run == newest),
        key=lambda about: (about.seed, record.PHASES.index(about.phase), about.step),
    )
    phase = phase or max((about.phase for about in own), key=record.PHASES.index)
    chosen = [
        about
        for about in own
        if about.phase == phase and seed in (None, about.seed) and (isinstance(step, str) or step == about.step)
    ]
    if not chosen:
        wanted = {"seed": seed, "step": None if isinstance(step, str) else step}
        asked = " ".join([phase, *(f"{name} {value}" for name, value in wanted.items() if value is not None)])
        raise ValueError(f"{where}: no policy of {asked} was kept; there is {', '.join(about.name for about in own)}")
    return [preferred([about for about in chosen if about.seed == s], step) for s in dict.fromkeys(a.seed for a in chosen)]


def kept(where: Path) -> list[About]:
    """Every policy below a folder, or the one in a file. ValueError in one line for what is not there or no policy."""
    if not where.exists():
        raise ValueError(f"{where}: no such file or folder")
    if where.is_file():
        return [read_about(where)]
    whole = [path for path in sorted(where.rglob(f"*{SUFFIX}")) if not path.parent.name.startswith(".")]  # not under way
    return [read_about(path) for path in whole]


def preferred(policies: Sequence[About], step: Step) -> About:
    """Of one seed's policies, by step, the best by its recorded evaluation, or the last."""
    return max(policies, key=lambda about: (about.score, about.step)) if step == "best" else policies[-1]
