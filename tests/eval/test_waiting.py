"""What would wait for a GPU, seen without one: the device `meta` has shapes and no numbers, so reading one raises.

Everything between two log points runs there, for every method in both phases, and nothing may cross from the host but what is
on its way while the host goes on.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from algos.base import Batch
from algos.learner import Learner
from envs.dataset import Dataset
from envs.replay import Replay, staged
from eval.config.configure import configure
from eval.config.methods import METHODS
from tests.conftest import SMALL

TINY = SMALL | {"depth": 1, "critic_depth": 1, "flow_steps": 2, "diffusion_steps": 2}
RANDOM = "randn", "rand", "randint", "randperm", "normal", "bernoulli"


class Crossing(TorchDispatchMode):
    """Refuses what the host would wait for: a copy between devices, or one that an operation makes by itself, unless it is
    under way while the host goes on."""

    def __torch_dispatch__(self, kernel: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = kernel(*args, **kwargs)
        name = kernel.overloadpacket.__name__
        is_copy = name in ("copy_", "_to_copy")
        tensors = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, Tensor) and (is_copy or x.dim())]
        if is_copy and (kwargs.get("non_blocking") or args[2:]):
            return result
        assert len({x.device for x in tensors}) < 2, f"{name} waits for the device"
        return result


class Adam(torch.optim.Optimizer):
    """In the place of Adam's fused kernel, which `meta` lacks: it only asks for the gradients."""

    def __init__(self, params: Any, lr: Any, **_: Any):
        super().__init__(params, {"lr": lr})

    def step(self) -> None:  # type: ignore[override]
        (group,) = self.param_groups
        assert all(p.grad is None or p.grad.device == p.device for p in group["params"])


class Generator:
    """In the place of a generator, which `meta` lacks."""

    def __init__(self, device: Any):
        self.device = torch.device(device)

    def manual_seed(self, seed: int) -> "Generator":
        return self


def drawing(draw: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A torch function that draws, for that generator."""
    return lambda *args, generator=None, **kwargs: draw(*args, **kwargs)


def assign(x: Tensor, index: Any, value: Any) -> None:
    """`x[index] = value`, where x is on a GPU and value a number: torch brings it there as a tensor of the host."""
    assert x.device.type == "cpu" or isinstance(value, Tensor), "a number assigned waits for the device; fill_ does not"
    set_item(x, index, value)


set_item = Tensor.__setitem__


@pytest.fixture
def meta(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch lacks for the device `meta`."""
    monkeypatch.setattr("algos.learner.learner.Generator", Generator)
    monkeypatch.setattr(torch.optim, "Adam", Adam)
    monkeypatch.setattr(Tensor, "pin_memory", lambda x: x)
    for name in RANDOM:
        monkeypatch.setattr(torch, name, drawing(getattr(torch, name)))


@contextmanager
def no_waiting() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, Crossing():
        patch.setattr(Tensor, "__setitem__", assign)
        yield


@pytest.mark.parametrize(("method", "seeds"), [("dfp", (0,)), *((method, (0, 1)) for method in METHODS)])
def test_nothing_waits_between_two_log_points(meta: None, method: str, seeds: tuple[int, ...]):
    """Adding online rows, drawing batches and noise, updating, watching; and all of a policy's call but reading its actions."""
    config = configure("probe-chain", method, preset="quick")
    algo, backbone = (
        replace(part, **{key: value for key, value in TINY.items() if hasattr(part, key)})
        for part in (config.algo, config.backbone)
    )
    learner = Learner(algo, backbone, 3, 2, seeds, "meta")
    obs, action, ones = np.ones((40, 3), np.float32), np.zeros((40, 2), np.float32), np.ones(40, np.float32)
    rows = Dataset(obs, action, ones, ones, np.array([19, 39]))
    replay = Replay(rows, algo.horizon, len(seeds), 50, "meta", next_action=algo.reads_next_action)
    noise = np.zeros((len(seeds), 1, *algo.noise_shape(backbone, learner.chunk_dim)), np.float32)
    for phase in ("offline", "online"):
        learner.begin(phase)
        with no_waiting():
            learner.set_progress(0.5)
            batch = Batch(**replay.sample(learner.generators, algo.batch_size))
            info = learner.update(batch, learner.draw()) | learner.watch(batch.obs)
            here = (staged(x, learner.device).to(learner.device, non_blocking=True) for x in (obs[: len(seeds), None], noise))
            chunks = learner.act(*here)
            for seed in range(len(seeds)):
                for row in range(4):
                    replay.add(seed, obs[row], action[row], 0.0, 1.0)
                replay.finish(seed, obs[4])
        assert {value.shape for value in info.values()} == {(len(seeds),)}
        assert chunks.shape == (len(seeds), 1, learner.chunk_dim)


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: x[x > 0],
        lambda x: bool(x[0]),
        lambda x: x + torch.ones(3),
        lambda x: x[torch.tensor([0, 1])],
        lambda x: x.copy_(torch.ones(3)),
        lambda x: torch.ones(3).to(x.device),
        lambda x: x.__setitem__(0, 1.0),
    ],
)
def test_waiting_is_noticed(meta: None, wait: Callable[[Tensor], Any]):
    x = torch.ones(3, device="meta")
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)), no_waiting():
        wait(x)
