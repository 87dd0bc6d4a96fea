"""Learning on problems with known answers (`envs.suites.probe`): the critic's values, what each policy makes of two modes."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from algos.awac import AWAC
from algos.base import Algorithm, Batch
from algos.bc import BC
from algos.dfp import DFP
from algos.iql import IQL
from algos.learner import Learner
from algos.learner.binding import bind
from backbones.base import Backbone
from backbones.diffusion import Diffusion
from backbones.drifting import Drifting
from backbones.flow import Flow
from backbones.gaussian import Gaussian
from envs.replay import Replay
from envs.task import find_task

CRITIC = {"critic_width": 32, "critic_depth": 2}


class Probe:
    """A learner of one seed on a probe task's data."""

    def __init__(self, task: str, algorithm: Algorithm, backbone: Backbone, capacity: int = 0):
        self.task = find_task(task)
        self.learner = Learner(algorithm, backbone, self.task.obs_dim, self.task.action_dim, [0])
        self.replay = Replay(self.task.load_dataset([]), algorithm.horizon, seeds=1, capacity=capacity)
        self.generator = Generator().manual_seed(0)

    def train(self, updates: int) -> "Probe":
        for _ in range(updates):
            batch = self.replay.sample([self.generator], self.learner.algorithm.batch_size)
            self.learner.update(Batch(**batch), self.learner.draw())
        return self

    @property
    def nets(self) -> Any:
        params = {name: {key: p.detach()[0] for key, p in net.items()} for name, net in self.learner.params.items()}
        return bind(self.learner.policies, self.learner.modules, params)

    def actions(self, count: int = 1000) -> Tensor:
        """Samples of the policy in the one state of the bandit."""
        noise = torch.randn(count, self.learner.chunk_dim, generator=self.generator)
        return self.nets.actor.sample(torch.zeros(count, self.task.obs_dim), noise)


@pytest.mark.parametrize("horizon", [1, 2])
def test_critic_learns_the_values_of_the_chain(horizon: int):
    """Q(state i) = gamma^(7 - i), whatever the action. Chunks of two start at even distances from the end only: one from an
    odd distance would have to bootstrap from the last state, where no whole chunk starts."""
    algorithm = DFP(
        horizon=horizon, batch_size=64, learning_rate=5e-3, discount=0.9, target_rate=0.2, best_of=1, target_best_of=1, **CRITIC
    )
    probe = Probe("probe-chain", algorithm, Gaussian(8, 1)).train(400)
    states = torch.arange(8 - horizon, -1, -horizon)
    obs = torch.from_numpy(probe.task.observations())[states]
    action = torch.rand(50, len(states), probe.learner.chunk_dim, generator=probe.generator) * 2 - 1
    values = probe.nets.critic(obs.expand(50, -1, -1), action).mean(0)
    torch.testing.assert_close(values.mean(0), 0.9 ** (7.0 - states), rtol=0, atol=0.05)
    assert values.std(0).max() < 0.1


def test_cloning_with_a_gaussian_acts_between_the_modes():
    """Its mean is 0, its spread that of the two modes."""
    probe = Probe("probe-bandit", BC(horizon=1, batch_size=64, learning_rate=3e-3), Gaussian(32, 2)).train(300)
    actions = probe.actions()
    assert actions.mean(0).abs().max() < 0.1 and (actions.std(0) - 0.5).abs().max() < 0.1


SMALL = {"horizon": 1, "batch_size": 64, "learning_rate": 3e-3, "target_rate": 0.05, **CRITIC}
OFFLINE = {
    "iql": (IQL(inverse_temperature=10.0, **SMALL), Flow(32, 2)),
    "idql": (IQL(inverse_temperature=0.0, num_samples=16, **SMALL), Diffusion(32, 3, diffusion_steps=5)),
    "fawac": (AWAC(inverse_temperature=10.0, **SMALL), Flow(32, 2)),
}


@pytest.mark.parametrize("name", OFFLINE)
def test_rules_that_weigh_or_choose_act_at_the_better_mode(name: str):
    """Half of the data lies at each mode; the second, 0.5, is the rewarded one. Rules that climb Q by its gradient are no part
    of this: between the modes, where no data is, the critic's values are arbitrary."""
    probe = Probe("probe-bandit", *OFFLINE[name]).train(400)
    noise = torch.randn(
        500, *probe.learner.algorithm.noise_shape(probe.learner.backbone, probe.learner.chunk_dim), generator=probe.generator
    )
    actions = probe.learner.algorithm.act(probe.nets, torch.zeros(500, 1), noise)
    assert near(actions, 0.5) > 0.8 and near(actions, -0.5) < 0.1


def near(actions: Tensor, mode: float) -> float:
    """The share of numbers within 0.25 of a mode."""
    return float(((actions - mode).abs() < 0.25).float().mean())


def test_dfp_leads_a_drifting_policy_to_the_better_mode():
    """Cloned, it has both modes alike; after some steps online it keeps the rewarded one, 0.5, without best-of-N to act."""
    algorithm = DFP(
        horizon=1,
        batch_size=64,
        learning_rate=3e-3,
        old_policy_rate=0.05,
        best_of=4,
        target_best_of=1,
        elite_weight=1.0,
        **CRITIC,
    )
    probe = Probe("probe-bandit", algorithm, Drifting(32, 2, temperatures=(0.2,), output_gain=4.0), capacity=3000).train(200)
    cloned = probe.actions()
    probe.learner.begin("online")
    env, rng = probe.task.make_env(), np.random.default_rng(0)
    for _ in range(250):
        actor = probe.learner.actor(0)
        for _ in range(4):
            obs, _ = env.reset(seed=0)
            action = actor(obs[None], [rng])[0, 0]
            next_obs, reward, terminated, _, _ = env.step(action)
            probe.replay.add(0, obs, action, reward, 1.0 - terminated)
            probe.replay.finish(0, next_obs)
        probe.train(1)
    improved = probe.actions()
    assert near(cloned, 0.5) > 0.3 and near(cloned, -0.5) > 0.3
    assert near(improved, 0.5) > 0.8 and near(improved, -0.5) < 0.1
