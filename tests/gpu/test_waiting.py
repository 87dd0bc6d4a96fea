"""The host runs ahead of a GPU: nothing between two log points waits, but for the actions of a chunk; and rows arrive whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from algos.base import Batch
from envs.dataset import Dataset
from envs.replay import Replay
from eval.config.methods import METHODS
from tests.conftest import ACTION, OBS

pytestmark = pytest.mark.gpu


@contextmanager
def waiting(mode: str) -> Iterator[None]:
    """What waits in here is an "error", or is not ("default")."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode(mode)
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


def rows(count: int = 12) -> Dataset:
    obs, action = (np.zeros((count, n), np.float32) for n in (OBS, ACTION))
    return Dataset(obs, action, *np.zeros((2, count), np.float32), np.array([count - 1]))


@pytest.mark.parametrize(
    ("algorithm", "backbone", "graph"),
    [*((*pair, False) for pair in sorted({(m.algo, m.backbone) for m in METHODS.values()})), ("dfp", "drifting", True)],
)
def test_nothing_waits(learner: Any, device: str, algorithm: str, backbone: str, graph: bool):
    """Online rows, batches, noise and updates, in both phases."""
    own = learner(algorithm, backbone, graph=graph)
    algo = own.algorithm
    replay = Replay(rows(), algo.horizon, 2, 50, device, next_action=algo.reads_next_action)
    ready = 10 if graph else 1  # from then on; graphs are recorded before
    for phase in ("offline", "online"):
        own.begin(phase)
        for step in range(ready + 3):
            with waiting("error" if step >= ready else "default"):
                for seed in (0, 1):
                    replay.add(seed, np.ones(OBS, np.float32), np.ones(ACTION, np.float32), 0.0, 1.0)
                own.set_progress(0.5)
                own.update(Batch(**replay.sample(own.generators, algo.batch_size)), own.draw())


@pytest.mark.parametrize("wait", [lambda x: x.sum().item(), lambda x: x.__setitem__(0, 1.0), lambda x: x.copy_(torch.ones(3))])
def test_waiting_is_noticed(device: str, wait: Any):
    x = torch.ones(3, device=device)
    with pytest.raises(RuntimeError, match="synchroniz"), waiting("error"):
        wait(x)


def test_rows_arrive_whole_however_far_ahead_the_host_is(device: str):
    """Each from memory of its own: the host writes the last ones while the device has not read the first."""
    replay = Replay(rows(), 2, 1, 1000, device)
    torch.cuda._sleep(10**9)  # clock cycles, half a second
    for i in range(150):
        replay.add(0, np.full(OBS, i, np.float32), np.full(ACTION, -i, np.float32), i / 2, i / 4)
    numbers = torch.arange(150, device=device)[:, None]
    assert (replay.online["obs"][:150] == numbers).all() and (replay.online["action"][:150] == -numbers).all()
    assert (replay.online["reward"][:150] == numbers[:, 0] / 2).all()
