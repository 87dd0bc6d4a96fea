"""How many kernels an update launches on a GPU: it takes a microsecond or more for each, however small."""

from functools import partial

import pytest
import torch

from algos.learner import Learner
from eval.bench.kernels import Kernels
from eval.bench.updates import random_batch
from eval.config.configure import configure

BUDGET = {
    "bfn": 617,
    "fql": 742,
    "mvp": 540,
    "mvp-top-k": 641,
    "dfp-no-top-k": 453,
    "dfp": 606,
    "bc": 66,
    "iql": 553,
    "rebrac": 479,
    "idql": 426,
    "srpo": 533,
    "cac": 742,
    "fawac": 918,
    "fbrac": 1257,
    "ifql": 558,
}
"""Of an online update of one seed, the second one. Less is better: write down what the test counts."""


@pytest.mark.usefixtures("as_on_gpu")
def test_no_update_launches_more_kernels_than_it_did(monkeypatch: pytest.MonkeyPatch):
    for module in ("dense", "nets"):
        monkeypatch.setattr(f"backbones.{module}.gelu_", partial(torch.nn.functional.gelu, approximate="tanh"))
    counted = {method: kernels(method) for method in BUDGET}
    assert counted == BUDGET, f"counted now: {counted}"


def kernels(method: str) -> int:
    """With the paper's depths, and small in all that no count depends on."""
    sizes = {"backbone.width": 8, "algo.batch_size": 2} | ({} if method == "bc" else {"algo.critic_width": 8})
    config = configure("cube-double-task2", method, preset="paper", **sizes)
    learner = Learner(config.algo, config.backbone, config.task.obs_dim, config.task.action_dim, (0,))
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
