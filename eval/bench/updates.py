"""Updates: their time, and what their arithmetic would take at the measured rate of products."""

import math
import statistics
import warnings
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from algos.base import Batch, Phase
from algos.learner import Learner
from algos.learner.graph import WARM_UP
from envs.command import progress
from eval.bench.clock import matrix_product, seconds
from eval.config.config import Config

Mode = Literal["eager", "compiled", "graph", "compiled graph"]


def random_batch(config: Config, device: str) -> Batch:
    """A batch of the configuration's shapes: the time of an update does not depend on its values."""
    seeds, b, h = len(config.seeds), config.algo.batch_size, config.algo.horizon
    generator = torch.Generator(device).manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(seeds, b, *shape, generator=generator, device=device)

    obs, next_obs = normal(config.task.obs_dim), normal(config.task.obs_dim)
    action = normal(h * config.task.action_dim).clamp(-1, 1)
    return Batch(obs, action, normal(h), torch.ones(seeds, b, h, device=device), next_obs, action)


@dataclass
class Line:
    """Updates of one configuration in one phase, and what they took."""

    config: Config
    phase: Phase
    device: str
    mode: Mode
    varied: dict[str, Any]  # the option whose value is not the preset's, that value and the preset's
    times: list[float] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.learner, self.batch = self._learner(self.mode), random_batch(self.config, self.device)
        # Graphs are recorded in the first updates, one for each set of networks that wait.
        self.untimed = (WARM_UP + 2) * math.lcm(*self.config.algo.delays().values())
        self.operations = count_operations(self._learner("eager"), self.batch)

    def _learner(self, mode: Mode) -> Learner:
        config, task = self.config, self.config.task
        compile, graph = mode.startswith("compiled"), mode.endswith("graph")
        learner = Learner(
            config.algo, config.backbone, task.obs_dim, task.action_dim, config.seeds, self.device, compile, graph
        )
        learner.begin(self.phase)
        return learner

    def update(self) -> None:
        self.learner.update(self.batch, self.learner.draw())

    def time(self, rate: float) -> None:
        """One more update, beside what its operations would take at this rate of products."""
        self.times.append(seconds(self.update, self.device))
        self.limits.append(self.operations / rate)

    def result(self) -> dict[str, Any]:
        low, median, high = statistics.quantiles(self.times, n=4)
        state = tree_leaves(self.learner.state_dict())
        return {
            **self.varied,
            "method": self.config.method,
            "phase": self.phase,
            "seeds": len(self.config.seeds),
            "mode": self.mode,
            "ranking": getattr(self.config.algo, "ranking", "float32"),
            "ms": 1e3 * median,
            "ms_quartiles": [1e3 * low, 1e3 * high],
            "gflop": self.operations / 1e9,
            "state_mb": sum(x.nbytes for x in state if isinstance(x, torch.Tensor)) / 1e6,
            "limit_ms": 1e3 * statistics.median(self.limits),
            "share_of_limit": statistics.median(limit / t for limit, t in zip(self.limits, self.times, strict=True)),
        }


def count_operations(learner: Learner, batch: Batch) -> int:
    """Floating-point operations of one update, in unfused kernels: the counter does not know the fused ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # switching the kernels speaks of GPUs that are not there
        with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
            learner.update(batch, learner.draw())
    return counter.get_total_flops()


def time_updates(lines: list[Line], device: str, repeats: int) -> list[dict[str, Any]]:
    """Every line once a round, each beside a matrix product, after the first updates of all."""
    product, operations = matrix_product(device)
    for line in progress(lines, desc="first updates", leave=False):
        for _ in range(line.untimed):
            line.update()
    for _ in progress(range(repeats), desc="updates", leave=False):
        for line in lines:
            line.time(operations / seconds(product, device))
    return [line.result() for line in lines]
