"""Learners on a GPU. These tests are skipped where there is none; `pytest -m gpu` runs them alone."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_map

from algos.base import Batch, Info
from algos.learner import Learner
from tests.conftest import ACTION, OBS

LEARNING_RATE = 1e-3


@pytest.fixture
def device() -> str:
    return "cuda"


@pytest.fixture(autouse=True)
def float32_products() -> Iterator[None]:
    """Whole ones: TF32 would keep ten bits."""
    before, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, False
    yield
    torch.backends.cuda.matmul.allow_tf32 = before


@pytest.fixture
def learner(tiny_algorithm: Any, tiny_backbone: Any, device: str) -> Callable[..., Learner]:
    """A small learner of one pair: options are the algorithm's."""

    def build(
        algorithm: str = "dfp",
        backbone: str = "drifting",
        seeds: tuple[int, ...] = (0, 1),
        compile: bool = False,
        graph: bool = False,
        **options: Any,
    ) -> Learner:
        rule = tiny_algorithm(algorithm, learning_rate=LEARNING_RATE, final_rate=0.1, **options)
        return Learner(rule, tiny_backbone(backbone), OBS, ACTION, seeds, device, compile, graph)

    return build


@pytest.fixture
def update(random_batch: Any) -> Callable[[Learner, int], Info]:
    """The update with this number: its batch and its learning rate are its own."""

    def one(learner: Learner, step: int) -> Info:
        learner.set_progress(step / 100)
        batch = Batch(*(x.to(learner.device) for x in random_batch(learner, step)))
        return tree_map(torch.clone, learner.update(batch, learner.draw()))

    return one
