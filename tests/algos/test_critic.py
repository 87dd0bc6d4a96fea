"""Returns, targets and choices, against numbers worked out by hand."""

import pytest
import torch
from torch import Tensor

from algos.base import Batch, Nets
from algos.critic import Critic, chunk_return, pessimistic, td_target
from algos.dfp import DFP
from algos.learner import Learner
from algos.learner.binding import bind
from algos.learner.learner import SAMPLES
from algos.select import best_of_n, best_samples, take, top_k
from backbones.base import normal
from backbones.drifting import Drifting
from backbones.gaussian import Gaussian


def test_chunk_return_discounts_from_the_first_reward():
    reward = torch.tensor([[1.0, 2.0, 4.0], [0.0, 0.0, -8.0]])
    assert chunk_return(reward, 0.5).tolist() == [1 + 1 + 1, -2]
    assert chunk_return(reward[:, :1], 0.5).tolist() == [1, 0]


def test_td_target_bootstraps_the_mean_of_the_critics_where_the_task_goes_on():
    next_values = torch.tensor([[1.0, 1.0], [3.0, 3.0]])
    target = td_target(torch.tensor([10.0, 10.0]), torch.tensor([1.0, 0.0]), next_values, 0.25, 0.0)
    assert target.tolist() == [10 + 0.25 * 2, 10]


def test_td_target_with_pessimism():
    next_values = torch.tensor([[1.0], [3.0]])  # mean 2, standard deviation 1
    target = td_target(torch.zeros(1), torch.ones(1), next_values, 1.0, 0.5)
    assert target.tolist() == [1.5]


def test_pessimism_of_one_with_two_critics_is_their_minimum():
    values = torch.randn(2, 100)
    torch.testing.assert_close(pessimistic(values, 1.0), values.amin(0))


def test_pessimism_of_zero_is_the_mean_and_works_with_one_critic():
    values = torch.randn(3, 100)
    torch.testing.assert_close(pessimistic(values, 0.0), values.mean(0))
    assert torch.equal(pessimistic(values[:1], 0.7), values[0])


def test_critics_are_independent_and_broadcast():
    critic = Critic(3, 2, num_critics=2, width=8, depth=2)
    obs, action = torch.randn(4, 3), torch.randn(4, 5, 2)
    values = critic(obs[:, None], action)
    assert values.shape == (2, 4, 5) and not torch.isclose(values[0], values[1]).any()
    torch.testing.assert_close(values[:, 1, 2], critic(obs[1], action[1, 2]))


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


def networks_of_dfp(ranking: str) -> tuple[Nets, Tensor, Tensor]:
    """The networks of a learner, states, and noise of 16 candidates for each."""
    learner = Learner(DFP(horizon=2, ranking=ranking), Drifting(), 7, 3, (0,))
    params = {name: {key: p.detach()[0] for key, p in net.items()} for name, net in learner.params.items()}
    generator = torch.Generator().manual_seed(0)
    nets = bind(learner.backbone, learner.modules, params, params)
    return nets, torch.randn(64, 7, generator=generator), torch.randn(64, 16, 6, generator=generator)


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


def test_a_learner_that_ranks_in_bfloat16_watches_how_often_it_chooses_alike():
    """The share of states for which both precisions choose the same of `watch`'s samples, counted by hand."""
    obs = torch.randn(1, 200, 7, generator=torch.Generator().manual_seed(0))
    seen = {r: Learner(DFP(horizon=2, ranking=r), Drifting(), 7, 3, (0,)).watch(obs) for r in ("float32", "bfloat16")}
    nets, *_ = networks_of_dfp("bfloat16")
    noise = normal(torch.Generator().manual_seed(0), SAMPLES, 6)
    with torch.no_grad():
        samples = nets.actor.sample(obs[0][:, None], noise)
        exact = nets.critic(obs[0][:, None], samples).mean(0).argmax(-1)
        with torch.autocast("cpu", torch.bfloat16):
            rough = nets.critic(obs[0][:, None], nets.actor.sample(obs[0][:, None], noise)).mean(0).argmax(-1)
    assert seen["bfloat16"]["same_choice"].item() == pytest.approx((exact == rough).float().mean().item())
    assert 0.5 < (exact == rough).float().mean() < 1 and "same_choice" not in seen["float32"]


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
