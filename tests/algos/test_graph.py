"""An update as one launch: nothing that changes between updates is held by the host, so its kernels can be replayed.

A CPU has no CUDA graphs. There a tape stands in: it records the kernels below autograd and vmap and runs them again on the
same memory, which is what a replay does.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import product
from typing import Any
from unittest.mock import MagicMock, call

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from algos.base import Batch
from algos.learner import Learner
from algos.learner.graph import WARM_UP, Graph
from envs.dataset import Dataset
from envs.replay import Replay
from eval.config.methods import METHODS

UPDATES = 8
PAIRS = [("dfp", "drifting"), ("fql", "flow"), ("iql", "diffusion"), ("rebrac", "deterministic")]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here"))]


class Tape(TorchDispatchMode):
    """The kernels run under it, to be run again."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: list[Callable[[], None]] = []

    def __torch_dispatch__(self, kernel: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = kernel(*args, **(kwargs or {}))

        def again() -> None:
            for old, new in zip(tree_leaves(result), tree_leaves(kernel(*args, **(kwargs or {}))), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)

        self.kernels.append(again)
        return result

    def replay(self) -> None:
        with torch.no_grad():
            for kernel in self.kernels:
                kernel()


class NoWaiting(TorchDispatchMode):
    """Refuses what waits for the device: numbers read from it or brought to it, and results whose shape depends on values."""

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "_unique2", "lift_fresh")

    def __torch_dispatch__(self, kernel: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = kernel.overloadpacket.__name__
        assert name not in self.WAITING, f"{name} waits for the device"
        if name == "index":
            assert all(i is None or i.dtype != torch.bool for i in args[1]), "a mask's selection has no static shape"
        return kernel(*args, **(kwargs or {}))


def record_on_tape(monkeypatch: pytest.MonkeyPatch, state: Callable[[], Any]) -> list[Tape]:
    """Puts tapes in the place of CUDA graphs. Recording runs no kernel on a GPU, so here what they did is undone."""
    tapes = []

    @contextmanager
    def recording(tape: Tape, stream: Any) -> Iterator[None]:
        tapes.append(tape)
        tensors = [x for x in tree_leaves(state()) if isinstance(x, Tensor)]
        before = [x.clone() for x in tensors]
        with tape:
            yield
        with torch.no_grad():
            for x, value in zip(tensors, before, strict=True):
                x.copy_(value)

    for name, fake in {"CUDAGraph": Tape, "graph": recording, "stream": nullcontext, "device": nullcontext}.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    for name in ("Stream", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, MagicMock())
    return tapes


@pytest.mark.usefixtures("as_on_gpu")
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("algorithm", "backbone", "seeds", "options"),
    [
        *((*pair, (0, 1), {}) for pair in PAIRS),
        ("dfp", "drifting", (0,), {}),
        ("dfp", "drifting", (0, 1), {"ranking": "bfloat16"}),
    ],
)
def test_replayed_updates_are_the_launched_ones(
    tiny_algorithm: Any,
    tiny_backbone: Any,
    random_batch: Any,
    monkeypatch: Any,
    algorithm: str,
    backbone: str,
    seeds: tuple[int, ...],
    options: dict[str, Any],
    device: str,
):
    """Through both phases, under a falling learning rate, with networks that wait for every second update."""

    def learner(graph: bool) -> Learner:
        return Learner(tiny_algorithm(algorithm, **options), tiny_backbone(backbone), 3, 2, seeds, device, graph=graph)

    if device == "cpu":
        tapes = record_on_tape(monkeypatch, lambda: (replayed.params, replayed.slow, replayed.optimizer.state_dict()))
    launched, replayed = learner(False), learner(True)
    for step in range(2 * UPDATES):
        results = []
        for each in (launched, replayed):
            if step == UPDATES:
                each.begin("online")
            each.set_progress(step / (2 * UPDATES))
            batch = Batch(*(x.to(device) for x in random_batch(each, step)))
            results.append({name: value.clone() for name, value in each.update(batch, each.draw()).items()})
        torch.testing.assert_close(results[1], results[0], rtol=1e-5, atol=1e-6)
    if device == "cpu":  # a recording for every phase and set of networks that wait
        assert len(tapes) == 2 * len(set(launched.algorithm.delays().values()) | {1})
    torch.testing.assert_close((replayed.params, replayed.slow), (launched.params, launched.slow), rtol=1e-5, atol=1e-6)


def test_kernels_warm_up_and_are_recorded_on_one_stream_of_the_learner_s_device(monkeypatch: pytest.MonkeyPatch):
    """Whichever device is the current one."""
    cuda, device = MagicMock(), torch.device("cuda:1")
    for name in ("CUDAGraph", "graph", "stream", "device", "Stream", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    graph = Graph(lambda x: x, device)
    for _ in range(WARM_UP + 2):
        graph(torch.ones(1))
    cuda.Stream.assert_called_once_with(device)
    assert cuda.stream.call_args_list == WARM_UP * [call(graph.side)]
    cuda.device.assert_called_once_with(device)
    cuda.graph.assert_called_once_with(graph.graph, stream=graph.side)
    assert cuda.CUDAGraph().replay.call_count == 2


@pytest.mark.usefixtures("as_on_gpu")
@pytest.mark.parametrize(("algorithm", "backbone"), sorted({(m.algo, m.backbone) for m in METHODS.values()}))
def test_the_host_waits_for_nothing_between_two_log_points(
    tiny_algorithm: Any, tiny_backbone: Any, random_batch: Any, algorithm: str, backbone: str
):
    """Drawing batches and noise and updating in both phases, with the dataset and the online rows on the device."""
    algo = tiny_algorithm(algorithm)
    learner = Learner(algo, tiny_backbone(backbone), 3, 2, (0, 1))
    obs, action, ones = np.ones((40, 3), np.float32), np.zeros((40, 2), np.float32), np.ones(40, np.float32)
    replay = Replay(
        Dataset(obs, action, ones, ones, np.array([19, 39])), algo.horizon, 2, 50, next_action=algo.reads_next_action
    )
    for phase in ("offline", "online"):
        learner.begin(phase)
        with NoWaiting():
            learner.set_progress(0.5)
            learner.update(Batch(**replay.sample(learner.generators, algo.batch_size)), learner.draw())
        for seed, row in product(range(2), range(9)):
            replay.add(seed, obs[row], action[row], 0.0, 1.0)


@pytest.mark.parametrize(
    "read", [lambda x: x.sum().item(), lambda x: x[x > 0], lambda x: bool(x[0]), lambda x: x + torch.tensor(1)]
)
def test_waiting_for_the_device_is_noticed(read: Callable[[Tensor], Any]):
    with pytest.raises(AssertionError), NoWaiting():
        read(torch.ones(3))
