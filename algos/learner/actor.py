"""A trained policy, as evaluation and data collection call it: observations in, chunks of actions out."""

from collections.abc import Mapping, Sequence
from copy import deepcopy

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from algos.base import Algorithm
from algos.learner.binding import by_name
from algos.learner.standardize import seen
from algos.qgbs import QGBS
from backbones.base import Backbone


class Actor:
    """One seed's policy: an algorithm, or what acts in its place, with its networks. `chunk_dim` is a, the size of a flattened
    chunk."""

    def __init__(
        self, algorithm: Algorithm | QGBS, policies: Mapping[str, Backbone], modules: Mapping[str, nn.Module], chunk_dim: int
    ):
        self.algorithm, self.policies, self.modules, self.chunk_dim = algorithm, policies, modules, chunk_dim
        self.device = next(p.device for module in modules.values() for p in module.parameters())

    def __call__(self, obs: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        """The next chunk of actions for each observation: [n, obs_dim] to [n, H, action_dim], row i's noise from `rngs[i]`."""
        noise = np.stack([rng.standard_normal(self.noise_shape(), dtype=np.float32) for rng in rngs])
        return self.choose(torch.from_numpy(obs).to(self.device), torch.from_numpy(noise).to(self.device)).cpu().numpy()

    def noise_shape(self) -> tuple[int, int]:
        """Of the noise with which one chunk is chosen: N' candidates, and the size of each one's noise."""
        return self.algorithm.noise_shape(self.policies["actor"], self.chunk_dim)

    @torch.no_grad()
    def choose(self, obs: Tensor, noise: Tensor) -> Tensor:
        """obs [n, obs_dim] and noise [n, *noise_shape] to chunks [n, H, action_dim]."""
        nets = by_name(self.policies, self.modules)
        chunks = self.algorithm.act(nets, seen(nets, obs), noise)
        return rearrange(chunks, "n (h d) -> n h d", h=self.algorithm.horizon)

    def snapshot(self, acting: Algorithm | QGBS | None = None) -> "Actor":
        """A copy on the CPU that later updates do not change; it can be sent to another process. `acting` acts in the
        algorithm's place."""
        own = {name: deepcopy(module).to("cpu") for name, module in self.modules.items()}
        return Actor(acting or self.algorithm, self.policies, own, self.chunk_dim)

    def by(self, acting: Algorithm | QGBS) -> "Actor":
        """The same networks, in the same memory; `acting` acts."""
        return Actor(acting, self.policies, self.modules, self.chunk_dim)
