"""Returns, targets and the ensemble, against numbers worked out by hand."""

import torch

from algos.critic import Critic, chunk_return, pessimistic, td_target


def test_chunk_return_discounts_from_the_first_reward():
    reward = torch.tensor([[1.0, 2.0, 4.0], [0.0, 0.0, -8.0]])
    assert chunk_return(reward, 0.5).tolist() == [1 + 1 + 1, -2]
    assert chunk_return(reward[:, :1], 0.5).tolist() == [1, 0]


def test_td_target_bootstraps_where_the_task_goes_on():
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
