"""Recorded updates of the authors' code (tests/golden/README.md) as problems of ours. The variable GOLDEN names another folder.

Tolerance: 1e-5 of the largest magnitude for losses and gradients, 1e-5 absolute for parameters.
"""

import ast
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from algos.base import Algorithm, Batch, Phase
from algos.learner import Learner
from backbones.base import Backbone

FOLDER = Path(os.environ.get("GOLDEN", Path(__file__).parents[1] / "golden"))
Arrays = dict[str, np.ndarray]


def load(path: Path) -> Arrays:
    return dict(np.load(path, allow_pickle=False))


def files(pattern: str) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted(FOLDER.glob(pattern))]


def config_of(arrays: Arrays) -> dict[str, Any]:
    return ast.literal_eval(str(arrays["config"]))


def updates(of_the_paper: bool, *agents: str) -> list[Any]:
    """The files with an update of these agents, by their authors' names; the paper's own code says which kind of actor."""

    def chosen(path: Path) -> bool:
        config = config_of(load(path))
        return config["agent_name"] in agents and ("actor_type" in config) == of_the_paper

    return [file for file in files("*_update*.npz") if chosen(file.values[0])]


def close(ours: Any, theirs: np.ndarray, what: str, tolerance: float = 1e-5) -> None:
    """Within the tolerance, relative to the largest magnitude."""
    difference = np.abs(np.asarray(ours, np.float64) - theirs).max()
    assert difference <= tolerance * np.abs(theirs).max(), f"{what}: differs by {difference}"


def inside(arrays: Arrays, prefix: str) -> Arrays:
    """The entries under a prefix, without it."""
    return {key.removeprefix(f"{prefix}/"): value for key, value in arrays.items() if key.startswith(f"{prefix}/")}


def size(parameters: Arrays, theirs: str) -> tuple[int, int]:
    """Width and depth of a recorded network with one output layer."""
    kernels = [value for key, value in inside(parameters, f"modules_{theirs}").items() if key.endswith("kernel")]
    return kernels[0].shape[-1], len(kernels) - 1


def network(parameters: Arrays, theirs: str) -> Arrays:
    """A recorded network, or what belongs to it, under our names.

    Its layers are Dense_i and, in critics, which have a leading axis for the ensemble, LayerNorm_i. A Gaussian's two output
    layers are one of ours, and a mean of its own is another; `log_value` is a scalar.
    """
    recorded = inside(parameters, f"modules_{theirs}")
    if "log_value" in recorded:
        return {"log_weight": recorded["log_value"][None]}
    layers: Arrays = {}
    for key, values in recorded.items():
        name, kind = key.split("/")[-2:]
        layers[f"{name}/{'bias' if kind == 'bias' else 'weight'}"] = np.swapaxes(values, -1, -2) if kind == "kernel" else values
    if "OutputDenseMean/bias" in layers:
        depth = sum(key.startswith("Dense") for key in layers) // 2
        for kind in ("weight", "bias"):
            heads = [layers.pop(f"OutputDense{part}/{kind}") for part in ("Mean", "LogStd")]
            layers[f"Dense_{depth}/{kind}"] = np.concatenate(heads)
    if "mean_net/bias" in layers:
        depth = sum(key.startswith("Dense") for key in layers) // 2
        for kind in ("weight", "bias"):
            layers[f"Dense_{depth}/{kind}"] = layers.pop(f"mean_net/{kind}")
    ours = {key.replace("Dense_", "layers.").replace("LayerNorm_", "norms.").replace("/", "."): x for key, x in layers.items()}
    if theirs == "value":
        return {f"net.{key}": value for key, value in ours.items()}
    if "critic" not in theirs:
        return ours
    return {f"members.{e}.{key}": value for key, values in ours.items() for e, value in enumerate(values)}


class Recorded(ABC):
    """A recorded update as a problem of ours. Which names theirs have, and what their options are here, its kind says."""

    phase: Phase = "online"
    seeds = 1  # all alike
    names: dict[str, str]  # of networks, ours and theirs
    slow: dict[str, str]  # of slow copies
    losses: dict[str, str]  # of scalars that an update returns
    factors: dict[str, float] = {}  # noqa: RUF012  # of gradients, by network: how many times ours theirs are

    def __init__(self, path: Path):
        self.arrays = arrays = load(path)
        self.config = config_of(arrays)
        self.before = inside(arrays, "params_before")
        self.noise = {key: torch.tensor(value)[None] for key, value in inside(arrays, "noise").items()}
        self.states, self.horizon = arrays["batch/rewards"].shape
        self.chunk_dim = arrays["batch/actions"][0].size

    @abstractmethod
    def algorithm(self) -> Algorithm: ...

    @abstractmethod
    def backbone(self) -> Backbone: ...

    @abstractmethod
    def draws(self) -> dict[str, Any]:
        """The recorded noise under our names, for one seed."""

    def critic_options(self) -> dict[str, Any]:
        """What every rule with a critic has."""
        width, depth = size(self.before, "critic")
        return {
            "horizon": self.horizon,
            "batch_size": self.states,
            "learning_rate": self.config["lr"],
            "discount": self.config["discount"],
            "target_rate": self.config["tau"],
            "num_critics": len(self.before["modules_critic/value_net/Dense_0/bias"]),
            "critic_width": width,
            "critic_depth": depth,
        }

    def each_positive(self, key: str, last: int) -> Tensor:
        """Noise with an axis for the positives of a state."""
        return self.noise[key].reshape(1, self.states, -1, last)

    def batch(self) -> Batch:
        """The recorded rewards are running sums of discounted ones; ours are the rewards."""
        batch = {key: torch.tensor(value)[None] for key, value in inside(self.arrays, "batch").items()}
        sums = self.arrays["batch/rewards"].astype(np.float64)
        rewards = np.diff(sums, axis=1, prepend=0) / self.config["discount"] ** np.arange(sums.shape[1])
        return Batch(
            batch["observations"],
            batch["actions"].flatten(2),
            torch.tensor(rewards, dtype=torch.float32)[None],
            batch["masks"],
            batch["next_observations"][:, :, -1],
        )

    def learner(self) -> Learner:
        """With the recorded parameters."""
        obs_dim, action_dim = self.arrays["batch/observations"].shape[-1], self.arrays["batch/actions"].shape[-1]
        learner = Learner(self.algorithm(), self.backbone(), obs_dim, action_dim, range(self.seeds))
        learner.begin(self.phase)
        assert set(learner.params) == set(self.names) and set(learner.slow) == set(self.slow)
        with torch.no_grad():
            for ours, theirs in ((learner.params, self.names), (learner.slow, self.slow)):
                for name in theirs:
                    values = network(self.before, theirs[name])
                    assert set(ours[name]) == set(values)
                    for key, value in values.items():
                        ours[name][key].copy_(torch.tensor(value)[None])
        return learner

    def check(self) -> None:
        self.compare(self.learner())

    def check_mapped(self) -> None:
        """Two seeds alike in one call: one seed has no vmap, on a GPU neither."""
        self.seeds = 2
        self.check()

    def compare(self, learner: Learner) -> None:
        """One update: the losses, the gradients (theirs are those before a bound), and all parameters after Adam and the slow
        networks' step."""
        arrays = self.arrays
        batch, draws = tree_map(lambda x: x.expand(self.seeds, *x.shape[1:]), (self.batch(), self.draws()))
        info = learner.update(batch, draws)
        assert len(learner.trained) == 1, "a call for each seed"
        for ours, theirs in self.losses.items():
            close(info[ours], arrays[theirs], ours)
        bound, norm = learner.algorithm.max_grad_norm, arrays.get("grad_norm", np.float32(0))
        scale = bound / norm if 0 < bound < norm else 1.0
        for name, theirs in self.names.items():
            factor = self.factors.get(name, 1.0)
            for key, gradient in network(inside(arrays, "grads"), theirs).items():
                close(factor * learner.trained[0][name][key].grad, scale * gradient, f"gradient of {name}.{key}")
        for ours, theirs in ((learner.params, self.names), (learner.slow, self.slow)):
            for name in theirs:
                for key, value in network(inside(arrays, "params_after"), theirs[name]).items():
                    difference = np.abs(ours[name][key].detach().numpy() - value).max()
                    assert difference <= 1e-5, f"{name}.{key}: differs by {difference}"
