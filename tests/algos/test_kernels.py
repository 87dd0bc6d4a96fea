"""How many kernels an update launches on a GPU: it takes a microsecond or more for each, however small."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from algos.learner import Learner
from eval.bench.kernels import Kernels
from eval.bench.updates import random_batch
from eval.config.configure import configure

BUDGET = {
    ("bfn", 1): 338,
    ("fql", 1): 424,
    ("mvp", 1): 338,
    ("mvp-top-k", 1): 394,
    ("dfp-no-top-k", 1): 261,
    ("dfp", 1): 366,
    ("bc", 1): 46,
    ("iql", 1): 290,
    ("rebrac", 1): 267,
    ("idql", 1): 241,
    ("srpo", 1): 319,
    ("cac", 1): 491,
    ("fawac", 1): 431,
    ("fbrac", 1): 818,
    ("ifql", 1): 295,
    ("dfp", 2): 510,
}
"""Of an online update of so many seeds, the second one. Less is better: write down what the test counts."""


@pytest.mark.usefixtures("as_on_gpu")
def test_no_update_launches_more_kernels_than_it_did(monkeypatch: pytest.MonkeyPatch):
    for module in ("dense", "nets"):
        monkeypatch.setattr(f"backbones.{module}.gelu_", partial(torch.nn.functional.gelu, approximate="tanh"))
    counted = {line: kernels(*line) for line in BUDGET}
    assert counted == BUDGET, f"counted now: {counted}"


def kernels(method: str, seeds: int) -> int:
    """With the paper's depths, and small in all that no count depends on."""
    sizes = {"backbone.width": 8, "algo.batch_size": 2} | ({} if method == "bc" else {"algo.critic_width": 8})
    config = replace(configure("cube-double-task2", method, preset="paper", **sizes), seeds=tuple(range(seeds)))
    learner = Learner(config.algo, config.backbone, config.task.obs_dim, config.task.action_dim, config.seeds)
    learner.begin("online")
    batch = random_batch(config, "cpu")
    learner.update(batch, learner.draw())
    noise = learner.draw()
    with Kernels() as counted:
        learner.update(batch, noise)
    return counted.count


def test_what_is_a_kernel_and_what_it_moves():
    def moved(call) -> tuple[int, int]:
        with Kernels() as counted:
            call()
        return counted.count, counted.bytes // 4

    x, y = torch.ones(3, 5), torch.ones(5, 7)
    assert moved(lambda: x @ y) == (1, 15 + 35 + 21)
    assert moved(lambda: x.T.reshape(15)[:5].expand(2, 5)) == (1, 15 + 15)  # the copy; not the views
    assert moved(lambda: x[0].expand(100, 5) + 1) == (1, 5 + 500)  # read once
    assert moved(lambda: x.mul_(y[:, 0])) == (1, 15 + 5 + 15)
    assert moved(lambda: torch._foreach_lerp_([x, y], [x, y], 0.5)) == (1, 3 * (15 + 35))
    assert moved(lambda: torch.empty_like(x)) == (0, 0)
