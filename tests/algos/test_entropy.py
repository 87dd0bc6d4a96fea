"""The entropy weight."""

import torch
from torch import nn

from algos.entropy import EntropyWeight, entropy_losses


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
