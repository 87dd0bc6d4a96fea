"""Q-learning with adjoint matching, where the answer is known."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from algos.learner.binding import bind
from algos.qam import QAM, lean_adjoint, memoryless_path, sigma
from backbones.drifting import Drifting
from backbones.flow import Flow, euler
from backbones.meanflow import MeanFlow

DOUBLE = torch.float64


def test_the_adjoint_of_a_linear_flow_is_a_product():
    """v = A x and Q = -|x - m|^2 / 2: g_i = prod over j > i of (1 + h (2 A - 1 / jh))^T kappa (x_T - m)."""
    a, m, kappa, count = torch.randn(3, 3, dtype=DOUBLE), torch.randn(3, dtype=DOUBLE), 3.0, 5
    path = torch.randn(count + 1, 2, 3, dtype=DOUBLE)
    end = kappa * (path[-1] - m)
    found = lean_adjoint(lambda x, t: x @ a.T, path, end)
    expected = end
    for i in reversed(range(count)):
        step = torch.eye(3, dtype=DOUBLE) + (2 * a - torch.eye(3, dtype=DOUBLE) * count / (i + 1)) / count
        expected = expected @ step
        torch.testing.assert_close(found[i], expected)
    assert len(found) == count


MEAN, STD, KAPPA, SLOPE = 0.3, 0.2, 2.0, 1.5


def behaviour(x: Tensor, t: Tensor) -> Tensor:
    """The field whose policy is N(MEAN, STD^2)."""
    return MEAN + (t * STD**2 - (1 - t)) / ((1 - t).square() + (t * STD).square()) * (x - t * MEAN)


def test_the_optimum_is_the_behaviour_weighed_by_exp_q():
    """N(m, s^2) exp(kappa b a) is N(m + kappa b s^2, s^2). Here the adjoint does not depend on the path, so that the matching
    loss is least at w = v - sigma^2 g / 2."""
    count = 1000
    adjoint = lean_adjoint(behaviour, torch.zeros(count + 1, 1, dtype=DOUBLE), torch.tensor([-KAPPA * SLOPE], dtype=DOUBLE))

    def tuned(x: Tensor, t: Tensor) -> Tensor:
        return behaviour(x, t) - sigma(t, 1 / count).square() * adjoint[round(float(t[0]) * count)] / 2

    noise = torch.linspace(-2, 2, 9, dtype=DOUBLE)[:, None]
    action = euler(tuned, noise, count)
    torch.testing.assert_close(action, MEAN + KAPPA * SLOPE * STD**2 + STD * noise, rtol=0, atol=5e-3)


def test_the_memoryless_path_ends_in_the_policy_whatever_its_start():
    start = torch.cat([torch.full((4000, 1), -1.0), torch.full((4000, 1), 1.0)])
    ends = memoryless_path(behaviour, behaviour, start, torch.randn(199, 8000, 1))[-1]
    for half in ends.chunk(2):
        assert abs(half.mean() - MEAN) < 0.02 and abs(half.std() - STD) < 0.02


def test_without_q_the_tuned_field_is_the_behaviour_s(tiny_learner: Any, random_batch: Any):
    """With kappa 0 the matching loss of a tuned field that equals the slow behaviour is 0, and another has one."""
    losses = {}
    for kappa in (0.0, 1.0):
        learner = tiny_learner("qam", "flow", inverse_temperature=kappa)
        params, slow = tree_map(lambda p: p.detach()[0], (learner.params, learner.slow))
        batch, noise = tree_map(lambda x: x[0], (random_batch(learner), learner.draw()))
        for name, own in {"equal": slow["actor"], "other": params["tuned"]}.items():
            nets = bind(learner.policies, learner.modules, params | {"tuned": own}, slow)
            matching, _ = learner.algorithm.matching_loss(nets, batch.obs, noise["start"], noise["steps"])
            losses[kappa, name] = float(matching.max())
    assert losses[0.0, "equal"] < 1e-10
    assert min(losses[1.0, "equal"], losses[0.0, "other"], losses[1.0, "other"]) > 0.1


def test_other_families_are_refused_with_the_reason():
    reason = "it tunes the velocity that a sampler follows; take the backbone flow"
    assert QAM().misfit(MeanFlow()) == QAM().misfit(Drifting()) == reason and QAM().misfit(Flow()) == ""
