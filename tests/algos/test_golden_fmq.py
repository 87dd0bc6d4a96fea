"""Recorded updates of FMQ, DriftQL and RLPD, and QGBS's actions (tests/golden/README.md)."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.func import grad

from algos.base import Algorithm
from algos.brac import BRAC
from algos.fmq import FMQ
from algos.learner import Actor
from algos.qgbs import QGBS
from algos.sac import SAC
from backbones.base import Backbone
from backbones.drifting import Drifting
from backbones.flow_map import FlowMap
from backbones.tanh_gaussian import TanhGaussian
from tests.algos.golden import FOLDER, Recorded, config_of, files, inside, load, network, size, updates

PESSIMISM = {"mean": 0.0, "min": 1.0}
LOSSES = {"loss": "loss", "critic_loss": "info/critic/critic_loss", "actor_loss": "info/actor/actor_loss"}


class OfFMQ(Recorded):
    """Offline, where the flow map is learned, or online, where Q guides it."""

    def __init__(self, path: Path):
        super().__init__(path)
        self.phase = "offline" if self.config["agent_name"] == "offline" else "online"
        self.names, self.slow = {"actor": "actor_bc_flow", "critic": "critic"}, {"critic": "target_critic"}
        self.losses = dict(LOSSES)
        if self.phase == "online":
            self.slow["actor"] = "frozen_actor"
            self.losses["step"] = "info/actor/eta_effective"
        else:
            self.losses |= {"diagonal_loss": "info/actor/bc_flow_loss", "jump_loss": "info/actor/consistency_loss"}

    def algorithm(self) -> Algorithm:
        adaptive, samples = self.config["fmq_adaptive_eta"], self.config["actor_num_samples"]
        return FMQ(
            **self.critic_options(),
            step=1.0 if adaptive else self.config["fmq_sigma_sq"] / (2 * self.config["fmq_alpha"]),
            caution=self.config["fmq_beta"] if adaptive else 0.0,
            best_of=samples,
            target_best_of=samples,
        )

    def backbone(self) -> Backbone:
        features = self.config["fourier_feature_dim"] if self.config["use_fourier_features"] else 0
        return FlowMap(*size(self.before, "actor_bc_flow"), time_features=features)

    def draws(self) -> dict[str, Any]:
        next_action = self.noise["target_candidates"]
        if self.phase == "online":
            return {"next_action": next_action, "r": self.noise["r"], "noise": self.noise["noise"]}
        times, noises = ("r", "t", "diagonal_t"), ("noise", "diagonal_noise")
        fit = {key: self.each_positive(key, 1 if key in times else self.chunk_dim) for key in (*times, *noises)}
        return {"next_action": next_action, "fit": fit}


class OfDriftQL(Recorded):
    """Drifting that climbs Q, with a Gaussian or a Laplacian kernel."""

    def __init__(self, path: Path):
        super().__init__(path)
        self.names, self.slow = {"actor": "actor_bc_drift", "critic": "critic"}, {"critic": "target_critic"}
        self.losses = LOSSES

    def algorithm(self) -> Algorithm:
        return BRAC(
            **self.critic_options(),
            pessimism=PESSIMISM[self.config["q_agg"]],
            data_weight=self.config["alpha"],
            normalize_q=self.config["normalize_q_loss"],
        )

    def backbone(self) -> Backbone:
        return Drifting(
            *size(self.before, "actor_bc_drift"),
            temperatures=(self.config["drift_temp"] * math.sqrt(self.chunk_dim),),
            num_generated=self.config["drift_ngen"],
            field="mean_shift",
            kernel={"gaussian": "gaussian", "laplace": "laplacian"}[self.config["kernel"]],
            exclude_self=True,
            unit_field=self.config["drift_normalize"],
            clip_goals=True,
            noise_dim=self.config["noise_dim"],
        )

    def draws(self) -> dict[str, Any]:
        noise = self.noise
        fit = {"generated": noise["generated"]}
        return {"next_action": noise["target"][:, :, None], "action": noise["action"], "fit": fit}


class OfRLPD(Recorded):
    """SAC on chunks."""

    def __init__(self, path: Path):
        super().__init__(path)
        self.names, self.slow = {"actor": "actor", "critic": "critic", "entropy_weight": "alpha"}, {"critic": "target_critic"}
        info = {"actor_loss": "total_loss", "entropy": "entropy", "entropy_weight": "alpha", "q_policy": "q"}
        self.losses = LOSSES | {ours: f"info/actor/{theirs}" for ours, theirs in info.items()}

    def algorithm(self) -> Algorithm:
        return SAC(
            **self.critic_options(),
            pessimism=self.config["rho"],
            data_weight=self.config["bc_alpha"],
            target_entropy=self.config["target_entropy"] / self.chunk_dim,
        )

    def backbone(self) -> Backbone:
        width, heads = size(self.before, "actor")
        return TanhGaussian(width, heads - 1)

    def draws(self) -> dict[str, Any]:
        return {"next_action": self.noise["target"][:, :, None], "action": self.noise["action"]}


def of_agent(agent: str) -> list[Any]:
    """Its files; FMQ's program says which kind of actor it has, as the paper's does."""
    return updates(True, agent) + updates(False, agent)


KINDS: dict[str, type[Recorded]] = {"fmq": OfFMQ, "offline": OfFMQ, "driftql": OfDriftQL, "rlpd": OfRLPD}
CASES = [pytest.param(KINDS[agent], *file.values, id=file.id) for agent in KINDS for file in of_agent(agent)]


@pytest.mark.parametrize(("kind", "path"), CASES)
def test_update(kind: type[Recorded], path: Path):
    kind(path).check()


@pytest.mark.usefixtures("as_on_gpu")
@pytest.mark.parametrize(("kind", "path"), CASES)
def test_update_under_vmap(kind: type[Recorded], path: Path):
    kind(path).check_mapped()


CHANGED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "the critics' mean online": ("fmq", "algorithm", {"pessimism": 0.0}),
    "the step times the adaptive factor": ("fmq_adaptive", "algorithm", {"step": 0.5}),
    "goals that are not clipped": ("driftql", "backbone", {"clip_goals": False}),
    "self-repulsion": ("driftql", "backbone", {"exclude_self": False}),
    "a bandwidth that forgets the dimensions": ("driftql_laplace", "backbone", {"temperatures": (0.5,)}),
    "another kernel": ("driftql_laplace", "backbone", {"kernel": "gaussian"}),
    "no pessimism": ("rlpd", "algorithm", {"pessimism": 0.0}),
}
WRONG: dict[str, tuple[str, str, Callable[..., Any]]] = {
    "the gradient of the mean": ("fmq", "algos.fmq.FMQ.guide", lambda self, nets, obs, a: nets.critic(obs, a).mean(0)),
    "the gradient of the minimum": ("fmq", "algos.fmq.FMQ.guide", lambda self, nets, obs, a: nets.critic(obs, a).amin(0)),
    "a gradient with its length": ("fmq", "algos.fmq.uphill", lambda value, action: grad(lambda a: value(a).sum())(action)),
    "a likelihood without tanh": ("rlpd", "backbones.tanh_gaussian.log_slope", torch.zeros_like),
}


def recorded_as(file: str) -> Recorded:
    return KINDS[config_of(load(path := FOLDER / f"{file}_update.npz"))["agent_name"]](path)


@pytest.mark.parametrize("mistake", CHANGED)
def test_a_wrong_number_shows(monkeypatch: pytest.MonkeyPatch, mistake: str):
    file, part, changes = CHANGED[mistake]
    recorded = recorded_as(file)
    right = getattr(recorded, part)()
    monkeypatch.setattr(recorded, part, lambda: replace(right, **changes))
    with pytest.raises(AssertionError, match="differs by"):
        recorded.check()


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_shows(monkeypatch: pytest.MonkeyPatch, mistake: str):
    file, place, wrong = WRONG[mistake]
    monkeypatch.setattr(place, wrong)
    with pytest.raises(AssertionError, match="differs by"):
        recorded_as(file).check()


@pytest.mark.parametrize("path", files("qgbs*.npz"))
@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_qgbs(path: Path, rounds: int):
    """The action of the search for recorded noise."""
    arrays = load(path)
    config, parameters = config_of(arrays), inside(arrays, "params")
    recorded = inside(arrays, f"iterations_{rounds}")
    width, depth = size(parameters, "critic")
    backbone = FlowMap(*size(parameters, "actor_bc_flow"), time_features=0)
    chunk = recorded["action"].shape[-1]
    algorithm = FMQ(horizon=config["horizon_length"], critic_width=width, critic_depth=depth)
    search = QGBS(algorithm, rounds, config["width M"], config["branches B"], config["eta"], config["snr"])
    modules = algorithm.networks(backbone, arrays["observations"].shape[-1], chunk)
    for name, theirs in (("actor", "actor_bc_flow"), ("critic", "critic")):
        modules[name].load_state_dict({key: torch.tensor(x) for key, x in network(parameters, theirs).items()})
    noise = torch.tensor(np.concatenate([recorded["start"], *(recorded[f"renoise_{i}"] for i in range(rounds))], 1))
    assert noise.shape[1:] == search.noise_shape(backbone, chunk)
    found = Actor(search, {"actor": backbone}, modules, chunk).choose(torch.tensor(arrays["observations"]), noise)
    assert np.abs(found.flatten(1).numpy() - recorded["action"]).max() < 1e-5
