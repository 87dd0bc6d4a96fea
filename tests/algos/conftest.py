"""One seed of an algorithm, taken apart."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from algos.learner.binding import bind


@pytest.fixture
def problem(tiny_learner: Any, random_batch: Any) -> Callable[..., Any]:
    """Algorithm, networks with gradient, parameters, batch and noise of one seed after a few updates of a phase."""

    def build(algorithm: str, backbone: str, phase: Any = "offline", **options: Any) -> Any:
        learner = tiny_learner(algorithm, backbone, **options)
        learner.begin(phase)
        for step in range(3):
            learner.update(random_batch(learner, step), learner.draw())
        params = tree_map(lambda p: p.detach()[0].requires_grad_(), learner.params)
        slow = tree_map(lambda p: p[0], learner.slow)
        batch, noise = tree_map(lambda x: x[0], (random_batch(learner, 9), learner.draw()))
        return learner.algorithm, bind(learner.policies, learner.modules, params, slow), params, batch, noise

    return build


@pytest.fixture
def gradient() -> Callable[..., tuple[Tensor | None, ...]]:
    """Of a scalar, with respect to one network's parameters; None where it does not depend on one."""
    return lambda value, params: torch.autograd.grad(value, list(params.values()), allow_unused=True, retain_graph=True)


@pytest.fixture
def as_on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arithmetic of a GPU on the CPU: one vmap over seeds, torch's own products, fused Adam."""
    monkeypatch.setattr("algos.learner.learner.is_gpu", lambda device: True)
    monkeypatch.setattr("torch.backends.mkldnn.enabled", False)
