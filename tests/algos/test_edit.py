"""Edit policies."""

import math
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_map

from algos.learner import Learner
from algos.learner.binding import bind
from backbones.drifting import Drifting


def bound(learner: Any) -> Any:
    params, slow = tree_map(lambda p: p.detach()[0], (learner.params, learner.slow))
    return bind(learner.policies, learner.modules, params, slow)


def test_an_edit_moves_an_action_by_no_more_than_its_scale(tiny_learner: Any):
    learner = tiny_learner("edit", "drifting", edit_scale=0.05)
    nets, obs, noise = bound(learner), torch.randn(50, 3), torch.randn(50, 8)
    base, action = nets.actor.sample(obs, noise[:, :4]), learner.algorithm.generate(nets, obs, noise)
    distance = (action - base).abs()
    assert distance.max() <= 0.05 + 1e-6 and distance.mean() > 0.01 and action.abs().max() <= 1
    again = torch.cat([noise[:, :4], torch.randn(50, 4)], -1)
    assert not torch.equal(action, learner.algorithm.generate(nets, obs, again))  # edits are samples


def test_the_policy_below_learns_nothing_from_the_edits(problem: Any, gradient: Any):
    """And the edits nothing from what clones."""
    algorithm, nets, params, batch, noise = problem("edit", "flow")
    losses = [algorithm.edit_loss(nets, batch.obs, noise["edit"])[0], algorithm.base_loss(nets, batch, noise)[0]]
    reached = {name: [any(g is not None for g in gradient(loss, own)) for loss in losses] for name, own in params.items()}
    only_edits, only_clones = [True, False], [False, True]
    assert reached == {"actor": only_clones, "critic": [False, False], "edit": only_edits, "entropy_weight": only_edits}


def test_entropy_reaches_its_target_on_a_bandit(problem: Any):
    """Where Q(a) = -60 |a|^2: a Gaussian of the target's entropy is best at the weight 120 std^2; it starts at 1."""
    algorithm, nets, params, batch, noise = problem("edit", "deterministic", edit_scale=1.0, horizon=1, batch_size=64)
    nets.constant.critic = lambda obs, action: -60 * action.square().sum(-1)[None]
    obs, own = torch.zeros_like(batch.obs), [*params["edit"].values(), *params["entropy_weight"].values()]
    optimizer = torch.optim.Adam(own, 0.02)
    for _ in range(300):
        loss, info = algorithm.edit_loss(nets, obs, noise["edit"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert abs(info["edit_entropy"] - 2 * algorithm.edit_entropy) < 0.1
    variance = math.exp(2 * algorithm.edit_entropy) / (2 * math.pi * math.e)
    assert abs(info["entropy_weight"] / (120 * variance) - 1) < 0.1


def test_without_a_scale_there_is_no_edit_policy(tiny_learner: Any, random_batch: Any):
    """QAM-E with c 0 is QAM, to the bit."""
    plain, unedited = tiny_learner("qam", "flow"), tiny_learner("qam", "flow", edit_scale=0.0, edit_entropy=-3.0)
    assert set(unedited.params) == {"actor", "critic", "tuned"}
    infos = [learner.update(random_batch(learner), learner.draw()) for learner in (plain, unedited)]
    assert infos[0] == infos[1]


class TwoNoises(Drifting):
    """A generator that reads two noises for each dimension of an action."""

    def noise_size(self, action_dim: int) -> int:
        return 2 * action_dim


@pytest.mark.parametrize(("backbone", "size"), [(Drifting(8, 1, noise_dim=3), 3), (TwoNoises(8, 1), 8)])
def test_a_policy_below_may_have_noise_of_its_own_size(tiny_algorithm: Any, backbone: Drifting, size: int):
    learner = Learner(tiny_algorithm("edit"), backbone, 3, 2, (0,))
    nets, obs, noise = bound(learner), torch.randn(5, 3), torch.randn(5, size + 4)
    distance = (learner.algorithm.generate(nets, obs, noise) - nets.actor.sample(obs, noise[:, :size])).abs()
    assert distance.max() <= learner.algorithm.edit_scale + 1e-6
