"""The entropy weight."""

import torch
from torch import nn

from algos.entropy import EntropyWeight, entropy_losses
from backbones.tanh_gaussian import TanhGaussian


def test_each_loss_has_its_own_gradient():
    """d/d pi: lambda log pi; d/d log lambda: lambda (H - H*)."""
    weight, log_prob = EntropyWeight(), torch.tensor([1.0, 3.0], requires_grad=True)
    nn.init.constant_(weight.log_weight, 0.5)
    of_policy, of_weight = entropy_losses(weight(), log_prob, target=-5.0)
    (of_policy + of_weight).backward()
    price = torch.tensor(0.5).exp()
    torch.testing.assert_close(log_prob.grad, price.expand(2) / 2)
    torch.testing.assert_close(weight.log_weight.grad, price[None] * (-2 + 5))
    assert torch.equal(of_policy, price * 2)


def test_entropy_reaches_its_target_on_a_bandit():
    """A policy that climbs Q(a) = -20 a^2 ends at the target, wherever it and the weight began."""
    policy, weight, noise = TanhGaussian(8, 1), EntropyWeight(), torch.randn(64, 1)
    net, obs = policy.network(1, 1), torch.zeros(64, 1)
    optimizer = torch.optim.Adam([*net.parameters(), *weight.parameters()], 0.02)
    for _ in range(250):
        action, log_prob = policy.sample_with_log_prob(net, obs, noise)
        loss = (20 * action.square()).mean() + sum(entropy_losses(weight(), log_prob, target=-1.0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert abs(-log_prob.mean() + 1.0) < 0.05
