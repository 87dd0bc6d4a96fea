"""Observations as networks see them, by the mean and the standard deviation that the data have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from algos.base import Batch, Nets

STANDARDIZE = "standardize"
"""Its name among those of the rule: it is kept, stacked and sent with them, and nothing trains it."""
ROWS = 2**16  # of a dataset on disk that are read at once
LEAST = 1e-4  # a dimension that hardly moves in the data is shifted, and left at its scale


class Standardize(nn.Module):
    """(s - mean) / std, dimension by dimension; [..., obs_dim] to the same."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: np.ndarray, std: np.ndarray):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32))

    @staticmethod
    def of(obs: np.ndarray) -> Standardize:
        """From rows [N, obs_dim], which may be on disk."""

        def blocks() -> Iterator[np.ndarray]:
            return (np.asarray(obs[begin : begin + ROWS], np.float64) for begin in range(0, len(obs), ROWS))

        mean = sum(block.sum(0) for block in blocks()) / len(obs)
        std = np.sqrt(sum(((block - mean) ** 2).sum(0) for block in blocks()) / len(obs))
        return Standardize(mean, np.where(std > LEAST, std, 1.0))

    def forward(self, obs: Tensor) -> Tensor:
        return (obs - self.mean) / self.std


def seen(nets: Nets, obs: Tensor) -> Tensor:
    """Observations as the rule's networks see them."""
    standardize: Any = getattr(nets, STANDARDIZE, None)
    return obs if standardize is None else standardize(obs)


def seen_batch(nets: Nets, batch: Batch) -> Batch:
    """The same of a batch."""
    return batch._replace(obs=seen(nets, batch.obs), next_obs=seen(nets, batch.next_obs))
