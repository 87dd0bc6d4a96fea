"""A Gaussian to learn: the flow from noise to it is known, whatever its path."""

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from backbones.base import Backbone

MEAN, STD = 0.3, 0.2


@pytest.fixture
def gaussian_error() -> Callable[..., float]:
    """Trains a backbone on actions N(MEAN, STD^2) in one state. Root mean squared distance of its samples to MEAN + std noise,
    which they are to equal one by one; std is STD where the path is followed exactly."""

    def train(backbone: Backbone, std: float = STD, updates: int = 600, batch: int = 256) -> float:
        torch.manual_seed(0)
        net, g, obs = backbone.network(1, 1), Generator().manual_seed(0), torch.zeros(batch, 1)
        optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, updates)
        for _ in range(updates):
            action = MEAN + STD * torch.randn(batch, 1, 1, generator=g)
            losses, _ = backbone.losses(net, obs, {"data": action}, backbone.draw(g, batch, 1, 1))
            optimizer.zero_grad()
            losses["data"].mean().backward()
            optimizer.step()
            schedule.step()
        noise: Tensor = torch.linspace(-2, 2, 200)[:, None]
        with torch.no_grad():
            actions = backbone.sample(net, torch.zeros(200, 1), noise)
        return float((actions - (MEAN + std * noise)).square().mean().sqrt())

    return train
