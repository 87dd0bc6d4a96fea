"""Deterministic policies."""

import torch
from torch import Tensor

from backbones.deterministic import Deterministic
from backbones.gaussian import negative_log_likelihood


def test_the_loss_is_a_gaussian_s_of_unit_variance():
    """-log N(a; f(s), 1) = (f(s) - a)^2 / 2 + a constant: the same gradient, twice as long."""
    action = torch.randn(6, 3, 2)
    mean = torch.randn(6, 1, 2, requires_grad=True)
    error, _ = Deterministic(squash=False).errors(lambda obs: mean, torch.zeros(6, 1, 1), action, {})
    likelihood = negative_log_likelihood(mean, torch.zeros(()), action).mean()
    ours, theirs = (torch.autograd.grad(value, mean)[0] for value in (error.mean(), likelihood))
    torch.testing.assert_close(ours, 2 * theirs)


def test_squashed_it_stays_inside_the_box_with_a_gradient_everywhere():
    def net(obs: Tensor) -> Tensor:
        return obs[..., :2]

    obs, noise = torch.tensor([[0.5, 3.0]], requires_grad=True), torch.zeros(1, 2)
    torch.testing.assert_close(Deterministic().sample(net, obs, noise), obs.tanh())
    torch.testing.assert_close(Deterministic(squash=False).sample(net, obs, noise), torch.tensor([[0.5, 1.0]]))
    gradients = [torch.autograd.grad(Deterministic(squash=s).sample(net, obs, noise).sum(), obs)[0] for s in (True, False)]
    assert gradients[0].all() and gradients[1].tolist() == [[1.0, 0.0]]
