"""Returns, targets and choices, against numbers worked out by hand."""

import pytest
import torch
from torch import Tensor

from algos.base import Nets
from algos.critic import Critic, chunk_return, pessimistic, td_target
from algos.select import best_of_n, take, top_k


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
