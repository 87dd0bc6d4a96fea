"""The paper's authors' recorded numbers (tests/golden/README.md)."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from algos.base import Algorithm
from algos.critic import chunk_return
from algos.dfp import DFP
from algos.fql import FQL
from backbones.base import Backbone
from backbones.drifting import Drifting, joint_field
from backbones.flow import Flow
from backbones.meanflow import MeanFlow
from envs.dataset import Dataset
from envs.replay import Replay
from envs.rows import Starts
from tests.algos.golden import FOLDER, Arrays, Recorded, close, files, inside, load, size, updates


def test_folder_is_complete():
    assert {"drift_loss", "chunk_sampler"} <= {path.stem for path in FOLDER.glob("*.npz")}
    assert len(files("*_update*.npz")) >= 1


def cases() -> list[Any]:
    def numbered(path: Path) -> list[Any]:
        arrays = load(path)
        names = sorted({key.split("/")[0] for key in arrays})
        return [pytest.param(inside(arrays, name), id=f"{path.stem}-{name}") for name in names]

    return [case for path in sorted(FOLDER.glob("drift_loss*.npz")) for case in numbered(path)]


def rounding(x: Tensor) -> float:
    """What rounding leaves of |x|^2 + |y|^2 - 2xy, which is how the record's squared distances were taken, relative to the
    smallest of them: 1e-6 where samples are apart, 3e-2 where they start collapsed (ours are exact there)."""
    apart = torch.cdist(x.double(), x.double()).square() + 1e9 * torch.eye(x.shape[1])
    return float(torch.finfo(x.dtype).eps / 2 * x.square().sum(-1).max() / apart.min())


@pytest.mark.parametrize("case", cases())
def test_drift_loss(case: Arrays):
    """The joint field's loss, its gradient, the length scale and the force of each temperature."""
    x = torch.tensor(case["gen"], requires_grad=True)
    temperatures = [round(float(t), 6) for t in case["temperatures"]]
    positives = torch.tensor(case["positives"])
    if "negatives" in case:
        field, unit, forces = joint_field(x.detach(), positives, temperatures, torch.tensor(case["negatives"]))
        loss = (x / unit - (x.detach() / unit + field)).square().mean((1, 2))
        scale = unit * x.shape[-1] ** 0.5
    else:
        loss, scale, _ = Drifting(temperatures=tuple(temperatures)).drift_loss(x, positives)
        _, _, forces = joint_field(x.detach(), positives, temperatures)
    loss.mean().backward()
    close(loss.detach(), case["loss"], "loss")
    tolerance = 1e-5 + rounding(x.detach())
    close(x.grad, case["grad_mean_loss"], "gradient", tolerance)
    close(scale, case["scale"], "scale", tolerance)
    for temperature, force in zip(temperatures, forces, strict=True):
        close(force, case[f"force_norm_{temperature:g}"], f"force at {temperature}", tolerance)


class OfThePaper(Recorded):
    """An update of DFP, MVP, QC-FQL or QC-BFN."""

    losses: ClassVar = {"loss": "loss", "critic_loss": "info/critic/critic_loss", "actor_loss": "info/actor/actor_loss"}

    def __init__(self, path: Path):
        super().__init__(path)
        agent = self.config["agent_name"]
        self.actor = {"drift": "actor_drift", "meanflow": "actor_meanflow", "acfql": "actor_bc_flow"}[agent]
        self.names = {"actor": self.actor, "critic": "critic"}
        self.slow = {"critic": "target_critic"}
        if self.config["actor_type"] == "distill-ddpg":
            self.names["student"] = "actor_onestep_flow"
        if "candidates" in self.noise:
            self.slow["actor"] = f"{self.actor}_ema"
        elif agent == "drift":
            self.phase = "offline"

    def algorithm(self) -> Algorithm:
        shared, config = self.critic_options(), self.config
        if config["actor_type"] == "distill-ddpg":
            return FQL(**shared, distill_weight=config["alpha"], normalize_q=config["normalize_q_loss"])
        elites = config.get("online_pos_samples", config.get("online_top_k")) if "candidates" in self.noise else 0
        return DFP(
            **shared,
            num_candidates=self.noise["candidates"].shape[2] if elites else 16,
            num_elites=elites or 1,
            elite_weight=config["alpha_pos"] if elites else 0.0,
            data_weight=config.get("alpha_target", 1.0),
            old_policy_rate=config.get("actor_ema_tau", 1e-4),
            best_of=config["actor_num_samples"],
            target_best_of=self.noise["target_candidates"].shape[2],
        )

    def backbone(self) -> Backbone:
        width, depth = size(self.before, self.actor)
        if self.config["agent_name"] == "drift":
            samples = self.noise["generated"].shape[2]
            return Drifting(width, depth, temperatures=self.config["drift_temps"], num_generated=samples)
        if self.config["agent_name"] == "meanflow":
            return MeanFlow(width, depth, constraint_weight=self.config["ivc_lambda"])
        return Flow(width, depth, flow_steps=self.config["flow_steps"])

    def draws(self) -> dict[str, Any]:
        noise, chunk = self.noise, self.chunk_dim
        if self.config["agent_name"] == "drift":
            fit = {"generated": noise["generated"]}
        elif self.config["agent_name"] == "meanflow":
            sizes = {"noise": chunk, "r": 1, "t": 1}
            fit = {key: self.each_positive(key, last) for key, last in sizes.items()}
        else:
            fit = {"noise": self.each_positive("flow_noise", chunk), "t": self.each_positive("flow_t", 1)}
        target = noise["target_candidates"] if "target_candidates" in noise else self.each_positive("target", chunk)
        return {"fit": fit, "next_action": target} | {key: noise[key] for key in ("candidates", "distill") if key in noise}


@pytest.mark.parametrize("path", updates(True, "drift", "meanflow", "acfql"))
def test_update(path: Path):
    OfThePaper(path).check()


@pytest.mark.parametrize("path", files("chunk_sampler*.npz"))
def test_chunk_sampler(path: Path):
    """Replay draws exactly the starts whose chunk lies in one episode, and assembles the recorded chunks."""
    arrays = load(path)
    rows, chunk = inside(arrays, "rows"), inside(arrays, "chunk")
    horizon, discount = int(arrays["horizon"]), float(arrays["discount"])
    names = ("observations", "actions", "rewards", "masks", "next_observations")
    dataset = Dataset.from_transitions(*(rows[name] for name in names), rows["terminals"] == 1)
    whole = np.flatnonzero(chunk["valid"].all(1))
    starts = arrays["start_index"][whole]
    rows_before = np.cumsum(rows["terminals"]) - rows["terminals"]  # each earlier episode has one more row than transitions
    found = Starts(dataset.ends, horizon)
    assert set(found[torch.arange(len(found))].tolist()) == set(starts + rows_before[starts].astype(int))

    for at, start in zip(whole, starts, strict=True):  # the recorded next observations are random, so each ends an episode here
        one = slice(start, start + horizon)
        last = np.arange(horizon) == horizon - 1
        replay = Replay(Dataset.from_transitions(*(rows[name][one] for name in names), last), horizon, seeds=1, capacity=0)
        drawn = {name: values[0, 0].numpy() for name, values in replay.sample([Generator().manual_seed(0)], 1).items()}
        assert np.array_equal(drawn["obs"], chunk["observations"][at])
        assert np.array_equal(drawn["action"], chunk["actions"][at].ravel())
        assert np.array_equal(drawn["next_obs"], chunk["next_observations"][at, -1])
        assert drawn["mask"].min() == chunk["masks"][at, -1]
        close(chunk_return(torch.tensor(drawn["reward"]), discount), chunk["rewards"][at, -1], "discounted return")
