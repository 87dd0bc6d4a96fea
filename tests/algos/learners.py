"""Learners of every pair of an algorithm and a backbone, trained a little and compared."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from algos.base import Algorithm
from algos.learner import Learner
from backbones.base import Backbone
from eval.config.config import find_part
from tests.subjects import every

ALGORITHMS, BACKBONES, PHASES = every(Algorithm), every(Backbone), ("offline", "online")


def fits(algorithm: str, backbone: str) -> bool:
    return not find_part(Algorithm, algorithm)().misfit(find_part(Backbone, backbone)())


PAIRS = [pair for pair in product(ALGORITHMS, BACKBONES) if fits(*pair)]
FIRST = {algorithm: next(pair for pair in PAIRS if pair[0] == algorithm) for algorithm in ALGORITHMS}
every_pair = pytest.mark.parametrize(("algorithm", "backbone"), PAIRS)
each_once = pytest.mark.parametrize(
    ("algorithm", "backbone"), sorted({*FIRST.values(), *(("fql", backbone) for backbone in BACKBONES)})
)
"""Every algorithm with one backbone, and every backbone with FQL."""


def copied(parameters: Any) -> Any:
    return tree_map(lambda p: p.detach().clone(), parameters)


def same_bits(ours: Any, theirs: Any) -> bool:
    ours, theirs = tree_leaves(ours), tree_leaves(theirs)
    return len(ours) == len(theirs) and all(map(torch.equal, ours, theirs))


def train(learner: Learner, random_batch: Any, updates: int = 2) -> list[dict[str, Tensor]]:
    """Some updates of each phase, the second one after the first; what they returned."""
    infos = []
    for phase in PHASES:
        learner.begin(phase)
        infos += [learner.update(random_batch(learner, step), learner.draw()) for step in range(updates)]
    return infos


def seed_of(learner: Learner, index: int) -> tuple[Any, Any]:
    """Parameters and slow parameters of one seed."""
    return tree_map(lambda p: p.detach()[index], (learner.params, learner.slow))
