"""An update as one launch: nothing that changes between updates is held by the host, so its kernels can be replayed.

A CPU has no CUDA graphs. There a tape stands in: it records the kernels below autograd and vmap and runs them again on the
same memory, which is what a replay does.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import MagicMock, call

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from algos.learner import Learner
from algos.learner.graph import WARM_UP, Graph

UPDATES = 8
PAIRS = [("dfp", "drifting"), ("fql", "flow"), ("iql", "diffusion"), ("rebrac", "deterministic")]


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
):
    """Through both phases, under a falling learning rate, with networks that wait for every second update."""

    def learner(graph: bool) -> Learner:
        return Learner(tiny_algorithm(algorithm, **options), tiny_backbone(backbone), 3, 2, seeds, graph=graph)

    tapes = record_on_tape(monkeypatch, lambda: (replayed.params, replayed.slow, replayed.optimizer.state_dict()))
    launched, replayed = learner(False), learner(True)
    for step in range(2 * UPDATES):
        results = []
        for each in (launched, replayed):
            if step == UPDATES:
                each.begin("online")
            each.set_progress(step / (2 * UPDATES))
            info = each.update(random_batch(each, step), each.draw())
            results.append({name: value.clone() for name, value in info.items()})
        torch.testing.assert_close(results[1], results[0], rtol=1e-5, atol=1e-6)
    assert len(tapes) == 2 * len(set(launched.algorithm.delays().values()) | {1}), "for every phase and networks that wait"
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


def test_recording_meets_the_tensors_of_the_warm_up(monkeypatch: pytest.MonkeyPatch):
    """Or a compiler would compile anew in it, which CUDA refuses: also where two inputs were one tensor until then."""
    for name in ("CUDAGraph", "graph", "stream", "device", "Stream", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, MagicMock())
    seen = []
    graph = Graph(lambda x, y: seen.append((id(x), id(y), x.item(), y.item())), torch.device("cuda"))
    for number in range(WARM_UP + 1):
        graph(*[torch.tensor(float(number))] * 2)
    assert len({(x, y) for x, y, *_ in seen}) == 1 and seen[0][0] != seen[0][1]
    assert [values for _, _, *values in seen] == [[number, number] for number in range(WARM_UP + 1)]
