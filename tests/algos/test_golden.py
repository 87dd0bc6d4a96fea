"""The authors' recorded numbers (tests/golden/README.md). The variable GOLDEN names another folder of the same form.

Tolerance: 1e-5 of the largest magnitude for losses and gradients, 1e-5 absolute for parameters.
"""

import ast
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from algos.base import Algorithm, Batch
from algos.critic import chunk_return
from algos.dfp import DFP
from algos.fql import FQL
from algos.learner import Learner
from backbones.base import Backbone
from backbones.drifting import Drifting, joint_field
from backbones.flow import Flow
from backbones.meanflow import MeanFlow
from envs.dataset import Dataset
from envs.replay import Replay
from envs.rows import Starts

FOLDER = Path(os.environ.get("GOLDEN", Path(__file__).parents[1] / "golden"))
Arrays = dict[str, np.ndarray]


def load(path: Path) -> Arrays:
    return dict(np.load(path, allow_pickle=False))


def files(pattern: str) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted(FOLDER.glob(pattern))]


def close(ours: Any, theirs: np.ndarray, what: str, tolerance: float = 1e-5) -> None:
    """Within the tolerance, relative to the largest magnitude."""
    difference = np.abs(np.asarray(ours, np.float64) - theirs).max()
    assert difference <= tolerance * np.abs(theirs).max(), f"{what}: differs by {difference}"


def inside(arrays: Arrays, prefix: str) -> Arrays:
    """The entries under a prefix, without it."""
    return {key.removeprefix(f"{prefix}/"): value for key, value in arrays.items() if key.startswith(f"{prefix}/")}


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


def layers(parameters: Arrays, theirs: str) -> Arrays:
    """The recorded layers of one network: Dense_i/kernel, Dense_i/bias and, in critics, LayerNorm_i/scale, LayerNorm_i/bias."""
    return inside(parameters, f"modules_{theirs}/{'value_net' if 'critic' in theirs else 'mlp'}")


def size(parameters: Arrays, theirs: str) -> tuple[int, int]:
    """Width and depth of a recorded network."""
    recorded = layers(parameters, theirs)
    return recorded["Dense_0/kernel"].shape[-1], sum(key.endswith("kernel") for key in recorded) - 1


def network(parameters: Arrays, theirs: str) -> Arrays:
    """A recorded network, or what belongs to it, under our names."""
    ours = {}
    for key, values in layers(parameters, theirs).items():
        layer, kind = key.split("/")
        name, index = layer.split("_")
        values = np.swapaxes(values, -1, -2) if kind == "kernel" else values
        ours[f"{'layers' if name == 'Dense' else 'norms'}.{index}.{'bias' if kind == 'bias' else 'weight'}"] = values
    if "critic" not in theirs:
        return ours
    return {f"members.{e}.{key}": value for key, values in ours.items() for e, value in enumerate(values)}


class Recorded:
    """A recorded update as a problem of ours."""

    def __init__(self, path: Path):
        self.arrays = arrays = load(path)
        self.config = config = ast.literal_eval(str(arrays["config"]))
        self.before, self.noise = inside(arrays, "params_before"), inside(arrays, "noise")
        self.actor = {"drift": "actor_drift", "meanflow": "actor_meanflow", "acfql": "actor_bc_flow"}[config["agent_name"]]
        self.names = {"actor": self.actor, "critic": "critic"}
        self.slow = {"critic": "target_critic"}
        self.phase = "online"
        if config["actor_type"] == "distill-ddpg":
            self.names["student"] = "actor_onestep_flow"
        if "candidates" in self.noise:
            self.slow["actor"] = f"{self.actor}_ema"
        elif config["agent_name"] == "drift":
            self.phase = "offline"

    def algorithm(self) -> Algorithm:
        width, depth = size(self.before, "critic")
        batch, horizon = self.arrays["batch/rewards"].shape
        shared = {
            "horizon": horizon,
            "batch_size": batch,
            "learning_rate": self.config["lr"],
            "discount": self.config["discount"],
            "target_rate": self.config["tau"],
            "num_critics": self.config["num_qs"],
            "critic_width": width,
            "critic_depth": depth,
        }
        if self.config["actor_type"] == "distill-ddpg":
            return FQL(**shared, distill_weight=self.config["alpha"], normalize_q=self.config["normalize_q_loss"])
        elites = self.config.get("online_pos_samples", self.config.get("online_top_k")) if "candidates" in self.noise else 0
        return DFP(
            **shared,
            num_candidates=self.noise["candidates"].shape[1] if elites else 16,
            num_elites=elites or 1,
            elite_weight=self.config["alpha_pos"] if elites else 0.0,
            data_weight=self.config.get("alpha_target", 1.0),
            old_policy_rate=self.config.get("actor_ema_tau", 1e-4),
            best_of=self.config["actor_num_samples"],
            target_best_of=self.noise["target_candidates"].shape[1],
        )

    def backbone(self) -> Backbone:
        width, depth = size(self.before, self.actor)
        if self.config["agent_name"] == "drift":
            samples = self.noise["generated"].shape[1]
            return Drifting(width, depth, temperatures=self.config["drift_temps"], num_generated=samples)
        if self.config["agent_name"] == "meanflow":
            return MeanFlow(width, depth, constraint_weight=self.config["ivc_lambda"])
        return Flow(width, depth, flow_steps=self.config["flow_steps"])

    def draws(self) -> dict[str, Any]:
        """The recorded noise under our names, for one seed."""
        noise = {key: torch.tensor(value)[None] for key, value in self.noise.items()}
        states, chunk = self.arrays["batch/actions"].shape[0], self.arrays["batch/actions"][0].size

        def each_positive(key: str, last: int) -> Tensor:
            return noise[key].reshape(1, states, -1, last)

        if self.config["agent_name"] == "drift":
            fit = {"generated": noise["generated"]}
        elif self.config["agent_name"] == "meanflow":
            fit = {"noise": each_positive("noise", chunk), "r": each_positive("r", 1), "t": each_positive("t", 1)}
        else:
            fit = {"noise": each_positive("flow_noise", chunk), "t": each_positive("flow_t", 1)}
        target = noise["target_candidates"] if "target_candidates" in noise else each_positive("target", chunk)
        return {"fit": fit, "next_action": target} | {key: noise[key] for key in ("candidates", "distill") if key in noise}

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


@pytest.mark.parametrize("path", files("*_update*.npz"))
def test_update(path: Path):
    """One update: the losses, the gradients, and all parameters after Adam and the slow networks' step."""
    recorded = Recorded(path)
    arrays, names, slow = recorded.arrays, recorded.names, recorded.slow
    obs_dim, action_dim = arrays["batch/observations"].shape[-1], arrays["batch/actions"].shape[-1]
    learner = Learner(recorded.algorithm(), recorded.backbone(), obs_dim, action_dim, [0])
    learner.begin(recorded.phase)
    assert set(learner.params) == set(names) and set(learner.slow) == set(slow)
    with torch.no_grad():
        for ours, theirs in ((learner.params, names), (learner.slow, slow)):
            for name in theirs:
                values = network(recorded.before, theirs[name])
                assert set(ours[name]) == set(values)
                for key, value in values.items():
                    ours[name][key].copy_(torch.tensor(value)[None])

    info = learner.update(recorded.batch(), recorded.draws())

    close(info["loss"], arrays["loss"], "loss")
    close(info["critic_loss"], arrays["info/critic/critic_loss"], "critic_loss")
    close(info["actor_loss"], arrays["info/actor/actor_loss"], "actor_loss")
    for name, theirs in names.items():
        for key, gradient in network(inside(arrays, "grads"), theirs).items():
            close(learner.trained[0][name][key].grad, gradient, f"gradient of {name}.{key}")
    for ours, theirs in ((learner.params, names), (learner.slow, slow)):
        for name in theirs:
            for key, value in network(inside(arrays, "params_after"), theirs[name]).items():
                difference = np.abs(ours[name][key][0].detach().numpy() - value).max()
                assert difference <= 1e-5, f"{name}.{key}: differs by {difference}"


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
