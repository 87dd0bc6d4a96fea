"""The entropy that a stochastic policy keeps, at a price that is learnt (Haarnoja et al., arXiv 1812.05905)."""

import torch
from torch import Tensor, nn


class EntropyWeight(nn.Module):
    """lambda = exp(log lambda), which starts at 1: a scalar."""

    def __init__(self) -> None:
        super().__init__()
        self.log_weight = nn.Parameter(torch.zeros(1))

    def forward(self) -> Tensor:
        return self.log_weight.exp().squeeze(0)


def entropy_losses(weight: Tensor, log_prob: Tensor, target: float) -> tuple[Tensor, Tensor]:
    """The policy's loss sg(lambda) log pi(a|s), and lambda's (Eqs. 7, 18): scalars, of log_prob [B].

    lambda (sg(H) - H*) with H = -log pi raises lambda while the policy has less entropy than the target H*.
    """
    entropy = -log_prob.mean()
    return -weight.detach() * entropy, weight * (entropy.detach() - target)
