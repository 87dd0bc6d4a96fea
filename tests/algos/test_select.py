"""Preferring actions: top-K, best-of-N, weights, and ranking in bfloat16."""

import math

import pytest
import torch
from torch import Tensor

from algos.base import Batch, Nets
from algos.dfp import DFP
from algos.learner import Learner
from algos.learner.binding import bind
from algos.learner.learner import SAMPLES
from algos.select import advantage_weights, best_of_n, best_samples, take, top_k
from backbones.base import normal
from backbones.drifting import Drifting
from backbones.gaussian import Gaussian
from backbones.nets import lowered

CANDIDATES = torch.arange(8.0).reshape(1, 4, 2)  # [0, 1], [2, 3], [4, 5], [6, 7]


def test_take_gathers_candidates():
    assert take(CANDIDATES, torch.tensor([[2, 0]])).tolist() == [[[4, 5], [0, 1]]]


@pytest.mark.parametrize(
    ("k", "chosen"), [(1, [[6, 7]]), (2, [[2, 3], [6, 7]]), (4, [[0, 1], [4, 5], [2, 3], [6, 7]])], ids=["1", "2", "4"]
)
def test_top_k_are_the_best_with_the_best_last(k: int, chosen: list[list[float]]):
    assert top_k(CANDIDATES, torch.tensor([[-5.0, 1.0, 0.0, 9.0]]), k).tolist() == [chosen]


class Shift:
    """A policy whose action is the noise plus the state."""

    def sample(self, obs: Tensor, noise: Tensor) -> Tensor:
        return obs + noise


def members(obs: Tensor, action: Tensor) -> Tensor:
    """Two critics: one prefers actions near 1, the other, weaker, large ones."""
    return torch.stack([-(action - 1).square().sum(-1), 0.1 * action.sum(-1)])


def test_best_of_n_acts_by_the_mean_of_the_critics():
    nets = Nets(actor=Shift(), critic=members)
    obs, noise = torch.tensor([[0.5], [0.0]]), torch.tensor([[[-3.0], [0.6], [4.0]], [[-1.0], [5.0], [0.9]]])
    torch.testing.assert_close(best_of_n(nets, obs, noise), torch.tensor([[1.1], [0.9]]))


def test_best_of_one_needs_no_critic():
    action = best_of_n(Nets(actor=Shift()), torch.tensor([[0.5]]), torch.tensor([[[0.25]]]))
    assert action.tolist() == [[0.75]]


def test_advantage_weights_are_exponential_and_bounded():
    weights = advantage_weights(torch.tensor([-1.0, 0.0, 1.0, 2.0]), 3.0)
    torch.testing.assert_close(weights, torch.tensor([math.exp(-3), 1.0, math.exp(3), 100.0]))
    assert advantage_weights(torch.randn(5), 0.0).tolist() == [1.0] * 5


def networks_of_dfp(ranking: str) -> tuple[Nets, Tensor, Tensor]:
    """The networks of a learner, states, and noise of 16 candidates for each."""
    learner = Learner(DFP(horizon=2, ranking=ranking), Drifting(), 7, 3, (0,))
    params = {name: {key: p.detach()[0] for key, p in net.items()} for name, net in learner.params.items()}
    generator = torch.Generator().manual_seed(0)
    nets = bind(learner.policies, learner.modules, params, params)
    return nets, torch.randn(64, 7, generator=generator), torch.randn(64, 16, 6, generator=generator)


@pytest.mark.usefixtures("bfloat16")
@torch.no_grad()
def test_what_bfloat16_ranks_highest_is_generated_in_float32_and_hardly_worse():
    nets, obs, noise = networks_of_dfp("bfloat16")
    samples = nets.actor.sample(obs[:, None], noise)
    exact, values = best_samples(nets.actor, nets.critic, obs[:, None], noise, 4)
    chosen, rough_values = best_samples(nets.actor, nets.critic, obs[:, None], noise, 4, precision="bfloat16")
    assert chosen.dtype == rough_values.dtype == torch.float32
    assert (rough_values - values).abs().max() > 1e-5, "bfloat16 was not used"
    off = (chosen[:, :, None] - samples[:, None]).abs().amax(-1).amin(-1)
    assert off.max() < 1e-5, "a chosen action is none of the float32 samples"
    lost = nets.critic(obs[:, None], exact).mean() - nets.critic(obs[:, None], chosen).mean()
    gained = nets.critic(obs[:, None], exact).mean() - values.mean()
    assert 0 <= lost < 0.05 * gained


@pytest.mark.usefixtures("bfloat16")
def test_how_often_bfloat16_chooses_alike_is_watched():
    """The share of states for which both precisions choose the same of `watch`'s samples, counted by hand."""
    obs = torch.randn(1, 200, 7, generator=torch.Generator().manual_seed(0))
    seen = {r: Learner(DFP(horizon=2, ranking=r), Drifting(), 7, 3, (0,)).watch(obs) for r in ("float32", "bfloat16")}
    nets, *_ = networks_of_dfp("bfloat16")
    noise = normal(torch.Generator().manual_seed(0), SAMPLES, 6)
    with torch.no_grad():
        samples = nets.actor.sample(obs[0][:, None], noise)
        exact = nets.critic(obs[0][:, None], samples).mean(0).argmax(-1)
        rough = lowered(nets.critic)(obs[0][:, None], nets.actor.lowered().sample(obs[0][:, None], noise)).mean(0).argmax(-1)
    assert seen["bfloat16"]["same_choice"].item() == pytest.approx((exact == rough).float().mean().item())
    assert 0.5 < (exact == rough).float().mean() < 1 and "same_choice" not in seen["float32"]


@torch.no_grad()
def test_a_processor_without_bfloat16_ranks_in_float32(monkeypatch):
    monkeypatch.setattr("algos.select.has_bfloat16", lambda: False)
    nets, obs, noise = networks_of_dfp("bfloat16")
    assert torch.equal(best_of_n(nets, obs, noise, precision="bfloat16"), best_of_n(nets, obs, noise))


@pytest.mark.usefixtures("bfloat16")
def test_bfloat16_ranking_leaves_the_loss_in_float32_and_near():
    losses = {}
    for ranking in ("float32", "bfloat16"):
        learner = Learner(DFP(horizon=1, batch_size=32, ranking=ranking), Gaussian(), 7, 3, (0,))
        learner.begin("online")
        rows = torch.Generator().manual_seed(1)
        obs, action = torch.randn(1, 32, 7, generator=rows), torch.rand(1, 32, 3, generator=rows)
        batch = Batch(obs, action, torch.ones(1, 32, 1), torch.ones(1, 32, 1), obs)
        losses[ranking] = learner.update(batch, learner.draw())["loss"]
    assert losses["bfloat16"].dtype == torch.float32
    torch.testing.assert_close(losses["bfloat16"], losses["float32"], rtol=0.05, atol=0)
    assert losses["bfloat16"] != losses["float32"]


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match=r"algo\.ranking 'float16': there are float32, bfloat16"):
        DFP(ranking="float16")  # type: ignore[arg-type]
