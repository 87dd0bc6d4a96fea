"""Q as a guide: what moves actions up it, FMQ's anchor and step, elites that are moved, a search that acts."""

from typing import Any

import pytest
import torch

from algos.ascent import climbed, uphill
from algos.bc import BC
from algos.dfp import DFP
from algos.qgbs import QGBS
from backbones.drifting import Drifting
from backbones.flow import Flow
from backbones.gaussian import Gaussian


def test_uphill_is_a_unit_vector_along_the_gradient():
    goal, action = torch.tensor([0.6, 0.8]), torch.zeros(3, 2)
    value = lambda a: -(a - goal).square().sum(-1)  # noqa: E731
    torch.testing.assert_close(uphill(value, action), goal.expand(3, 2))
    torch.testing.assert_close(climbed(value, action, 0.5), 0.5 * goal.expand(3, 2))
    assert climbed(value, action, 9.0).amax() == 1


@pytest.mark.parametrize("backbone", ["flow_map", "meanflow"])
def test_without_a_step_fmq_is_its_anchor(tiny_learner: Any, random_batch: Any, backbone: str):
    """Loss and gradient are 0, up to the rounding of kernels that differ where no gradient is asked for."""
    learner = tiny_learner("fmq", backbone, step=0.0)
    learner.begin("online")
    info = learner.update(random_batch(learner), learner.draw())
    assert info["actor_loss"] < 1e-12 and info["critic_loss"] > 0
    assert max(p.grad.abs().max() for p in learner.trained[0]["actor"].values()) < 1e-6


def test_the_anchor_stays(tiny_learner: Any, random_batch: Any):
    """It is the policy as it was when the online phase began."""
    learner = tiny_learner("fmq", "flow_map")
    learner.update(random_batch(learner), learner.draw())
    learner.begin("online")
    before = {key: p.clone() for key, p in learner.params["actor"].items()}
    for step in range(2):
        learner.update(random_batch(learner, step), learner.draw())
    assert all(torch.equal(p, before[key]) for key, p in learner.slow["actor"].items())
    assert not torch.equal(before["layers.0.weight"], learner.params["actor"]["layers.0.weight"])


def test_a_cautious_step_is_shorter_where_the_critics_differ(problem: Any):
    """The mean velocity moves by 1 / (1 + beta d) along a unit vector, d with mean 1 over the batch."""
    algo, nets, _, batch, noise = problem("fmq", "flow_map", "online", step=1.0, caution=0.3)
    x, r = (1 - noise["r"]) * noise["noise"] + noise["r"] * batch.action, noise["r"]
    velocity = nets.slow.actor.mean_velocity(batch.obs, x, r, torch.ones_like(r))
    moved = (algo.guided(nets, batch.obs, x, r)[0] - velocity).norm(dim=-1)
    spread = nets.critic(batch.obs, (x + (1 - r) * velocity).clamp(-1, 1)).std(0)
    torch.testing.assert_close(moved, 1 / (1 + 0.3 * spread / spread.mean()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", ["drifting", "flow", "gaussian"])
def test_elites_are_moved_up_q(problem: Any, backbone: str):
    """By the step, along the gradient of the critics' mean; without one they stay."""
    algo, nets, _, batch, noise = problem("dfp", backbone, "online", elite_step=0.01)
    there = DFP(**{**vars(algo), "elite_step": 0.0}).propose(nets, batch.obs, noise["candidates"])[0]
    moved, info = algo.propose(nets, batch.obs, noise["candidates"])
    torch.testing.assert_close(moved, climbed(lambda a: nets.critic(batch.obs[:, None], a).mean(0), there, 0.01))
    assert info["q_moved"] > info["q_elites"] and 0 < (moved - there).norm(dim=-1).max() < 0.0101


@pytest.mark.parametrize(("backbone", "rounds"), [("drifting", 0), ("flow", 1), ("meanflow", 2)])
def test_a_search_finds_actions_of_higher_value(problem: Any, backbone: str, rounds: int):
    """Than the best of its particles, by the least of the critics, in the mean."""
    algo, nets, _, batch, _ = problem("brac", backbone)
    search, policy = QGBS(algo, rounds), nets.actor.backbone
    assert not search.misfit(policy)
    noise = torch.randn(5, *search.noise_shape(policy, 4))
    found = search.act(nets, batch.obs, noise)
    samples = algo.generate(nets, batch.obs[:, None], noise[:, : search.particles])
    least = nets.critic(batch.obs[:, None], samples).amin(0).amax(-1)
    assert found.shape == (5, 4) and found.abs().max() <= 1
    assert nets.critic(batch.obs, found).amin(0).mean() > least.mean()


def test_without_rounds_a_search_s_noise_is_the_policy_s():
    assert QGBS(DFP(), 0).noise_shape(Drifting(noise_dim=2), 5) == (4, 2)


def test_a_search_that_makes_no_sense_is_refused():
    assert QGBS(DFP(), 1).misfit(Flow()) == QGBS(DFP(), 0).misfit(Drifting()) == ""
    assert QGBS(DFP(), 1).misfit(Gaussian()).startswith("a round asks for a velocity; take no round, or the backbone flow or ")
    assert QGBS(BC(), 0).misfit(Flow()) == "it asks a critic, and the rule has none"
