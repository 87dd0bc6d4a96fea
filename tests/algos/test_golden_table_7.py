"""Recorded updates of Table 7's baselines (tests/golden/README.md): FQL's own program, and QAM's for FBRAC and FAWAC."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from algos.awac import AWAC
from algos.base import Algorithm, Batch
from algos.brac import BRAC
from algos.fql import FQL
from algos.iql import IQL
from algos.learner import Learner
from algos.rebrac import ReBRAC
from backbones.base import Backbone
from backbones.deterministic import Deterministic
from backbones.flow import Flow
from tests.algos.golden import Recorded, close, config_of, inside, load, size, updates

ACTORS = {"fql": "actor_bc_flow", "ifql": "actor_flow", "fbrac": "actor_flow"}


class OfTable7(Recorded):
    """A baseline of transitions and two critics."""

    def __init__(self, path: Path):
        super().__init__(path)
        self.agent = agent = self.config["agent_name"]
        self.phase = "offline"
        self.names = {"actor": ACTORS.get(agent, "actor"), "critic": "critic"}
        self.slow = {"critic": "target_critic"}
        self.losses = {"critic_loss": "info/critic/critic_loss", "loss": "loss"}
        if agent in ("iql", "ifql", "fawac"):
            self.names["value"] = "value"
        if agent in ("iql", "ifql"):  # both critics' losses are added where ours are averaged, and Adam asks for no scale
            self.losses = {"value_loss": "info/value/value_loss"}
            self.factors = {"critic": 2.0}
        if agent == "iql":  # half the squared error is summed over dimensions where ours is averaged
            self.factors["actor"] = self.chunk_dim / 2
            self.losses["advantage"] = "info/actor/adv"
        if agent == "fawac":
            self.losses = {"loss": "loss", "value_loss": "info/critic/value_loss", "actor_loss": "info/actor/actor_loss"}
        if agent == "fql":
            self.names["student"] = "actor_onestep_flow"
        if agent == "rebrac":
            self.slow["actor"] = "target_actor"
            self.losses = {"critic_loss": "info/critic/critic_loss"}

    def algorithm(self) -> Algorithm:
        config, shared = self.config, self.critic_options()
        if self.agent == "fql":
            return FQL(**shared, distill_weight=config["alpha"], normalize_q=config["normalize_q_loss"])
        if self.agent == "fbrac":
            return BRAC(**shared, q_weight=1 / config["alpha"])
        if self.agent == "fawac":
            return AWAC(**shared, inverse_temperature=config["inv_temp"])
        if self.agent == "iql":
            return IQL(**shared, expectile=config["expectile"], inverse_temperature=config["alpha"])
        if self.agent == "ifql":
            samples = config["num_samples"]
            return IQL(**shared, expectile=config["expectile"], inverse_temperature=0.0, num_samples=samples)
        return ReBRAC(
            **shared,
            actor_penalty=config["alpha_actor"],
            critic_penalty=config["alpha_critic"],
            target_std=config["actor_noise"],
            target_clip=config["actor_noise_clip"],
            actor_every=config["actor_freq"],
        )

    def backbone(self) -> Backbone:
        sizes = size(self.before, self.names["actor"])
        if self.agent in ("iql", "rebrac"):
            return Deterministic(*sizes, squash=self.config.get("tanh_squash", False))
        return Flow(*sizes, flow_steps=self.config["flow_steps"])

    def draws(self) -> dict[str, Any]:
        noise = self.noise
        draws = {key: noise[key] for key in ("distill", "action") if key in noise}
        if "flow_noise" in noise:
            draws["fit"] = {"noise": self.each_positive("flow_noise", self.chunk_dim), "t": self.each_positive("flow_t", 1)}
        else:
            draws["fit"] = {}
        next_action = noise.get("target", noise.get("next_action"))
        if next_action is None:  # V(s') asks for no action
            return draws | {"next_action": torch.empty(1, self.states, 0, self.chunk_dim)}
        return draws | {"next_action": next_action[:, :, None]}

    def batch(self) -> Batch:
        batch = super().batch()
        if "batch/next_actions" not in self.arrays:
            return batch
        return batch._replace(next_action=torch.tensor(self.arrays["batch/next_actions"])[None].flatten(2))

    def check(self) -> None:
        """Also the action that it takes; and of ReBRAC three updates, the second without its actor."""
        learner, arrays = self.learner(), self.arrays
        if "act/action" in arrays:
            self.compare_action(learner)
        self.compare(learner)
        for part in ("delayed", "after") if self.agent == "rebrac" else ():
            self.arrays = inside(arrays, part)
            self.noise = {key: torch.tensor(value)[None] for key, value in inside(self.arrays, "noise").items()}
            self.compare(learner)

    def compare_action(self, learner: Learner) -> None:
        obs = torch.tensor(self.arrays["batch/observations"])
        noise = self.arrays.get("act/noise", np.zeros((self.states, 1, self.chunk_dim), np.float32))
        found = learner.actor(0).choose(obs, torch.tensor(noise)).flatten(1)
        close(found, self.arrays["act/action"], "the action")


AGENTS = ("fql", "rebrac", "iql", "ifql", "fbrac", "fawac")
FILES = [file for file in updates(False, *AGENTS) if config_of(load(file.values[0])).get("num_qs", 2) == 2]  # QC-FQL has ten


@pytest.mark.parametrize("path", FILES)
def test_update(path: Path):
    OfTable7(path).check()


@pytest.mark.usefixtures("as_on_gpu")
@pytest.mark.parametrize("path", FILES)
def test_update_under_vmap(path: Path):
    OfTable7(path).check_mapped()
