"""Updates: their time, and what their arithmetic and the bytes that they move would take at the device's measured rates."""

import math
import statistics
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch.utils._pytree import tree_leaves

from algos.base import Batch, Phase
from algos.learner import Learner
from algos.learner.graph import WARM_UP
from envs.command import progress
from eval.bench.clock import matrix_product, memory_copy, seconds
from eval.bench.kernels import Kernels
from eval.config.config import Config

Mode = Literal["eager", "compiled", "graph", "compiled graph"]
Products = Literal["float32", "tf32"]  # of float32 matrices; a CPU has no TF32


Rated = tuple[Callable[[], object], float]  # a call, and how much of something it does


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
    products: Products
    varied: dict[str, Any]  # the option whose value is not the preset's, that value and the preset's
    times: list[float] = field(default_factory=list)
    arithmetic: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.learner, self.batch = self._learner(self.mode), random_batch(self.config, self.device)
        # Graphs are recorded in the first updates, one for each set of networks that wait.
        self.period = math.lcm(*self.config.algo.delays().values())
        self.untimed = (WARM_UP + 2) * self.period
        eager = self.learner if self.mode == "eager" else self._learner("eager")
        self.operations = count_operations(eager, self.batch)
        with Kernels() as self.kernels:
            eager.update(self.batch, eager.draw())

    def _learner(self, mode: Mode) -> Learner:
        config, task = self.config, self.config.task
        compile, graph = mode.startswith("compiled"), mode.endswith("graph")
        learner = Learner(
            config.algo, config.backbone, task.obs_dim, task.action_dim, config.seeds, self.device, compile, graph
        )
        learner.begin(self.phase)
        return learner

    @contextmanager
    def precision(self) -> Iterator[None]:
        """The line's precision of products, in here."""
        before, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, self.products == "tf32"
        yield
        torch.backends.cuda.matmul.allow_tf32 = before

    def update(self) -> None:
        self.learner.update(self.batch, self.learner.draw())

    def time(self, product: Rated, copy: Rated) -> None:
        """One more update, beside what its operations and its bytes would take at the rates of now."""
        self.arithmetic.append(self.operations * seconds(product[0], self.device) / product[1])
        self.memory.append(self.kernels.bytes * seconds(copy[0], self.device) / copy[1])
        for _ in range(self.period):  # untimed: in training the caches hold what an update has left, not the copy's numbers
            self.update()
        self.times.append(seconds(self.update, self.device))

    def result(self) -> dict[str, Any]:
        low, median, high = statistics.quantiles(self.times, n=4)
        state = tree_leaves(self.learner.state_dict())
        rows = [*zip(self.times, self.arithmetic, self.memory, strict=True)]
        return {
            **self.varied,
            "method": self.config.method,
            "phase": self.phase,
            "seeds": len(self.config.seeds),
            "mode": self.mode,
            "products": self.products,
            "ranking": getattr(self.config.algo, "ranking", "float32"),
            "ms": 1e3 * median,
            "ms_quartiles": [1e3 * low, 1e3 * high],
            "gflop": self.operations / 1e9,
            "kernels": self.kernels.count,
            "moved_mb": self.kernels.bytes / 1e6,
            "state_mb": sum(x.nbytes for x in state if isinstance(x, torch.Tensor)) / 1e6,
            "limit_ms": 1e3 * statistics.median(self.arithmetic),
            "memory_ms": 1e3 * statistics.median(self.memory),
            "times_larger": statistics.median(took / max(arithmetic, memory) for took, arithmetic, memory in rows),
        }


def count_operations(learner: Learner, batch: Batch) -> int:
    """Floating-point operations of one update, in unfused kernels: for fused ones torch has no formula."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # switching the kernels speaks of GPUs that are not there
        with torch.backends.mkldnn.flags(enabled=False), Kernels() as kernels:
            learner.update(batch, learner.draw())
    return kernels.operations


@contextmanager
def compiling(lines: int) -> Iterator[None]:
    """Lets every line be compiled: all call one function, which Dynamo compiles eight times and from then on runs as it is."""
    import torch._dynamo  # here, since it takes a second

    with torch._dynamo.config.patch(recompile_limit=8 + lines, fail_on_recompile_limit_hit=True):
        yield


def time_updates(lines: list[Line], device: str, repeats: int) -> list[dict[str, Any]]:
    """Every line once a round, each beside a matrix product and a copy, after the first updates of all."""
    product, copy = matrix_product(device), memory_copy(device)
    compiled = sum(line.mode.startswith("compiled") for line in lines)
    with compiling(compiled) if compiled else nullcontext():
        for line in progress(lines, desc="first updates", leave=False):
            with line.precision():
                for _ in range(line.untimed):
                    line.update()
        for _ in progress(range(repeats), desc="updates", leave=False):
            for line in lines:
                with line.precision():
                    line.time(product, copy)
    return [line.result() for line in lines]
