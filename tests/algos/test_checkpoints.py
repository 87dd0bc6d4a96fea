"""A learner picked up again."""

from io import BytesIO
from typing import Any

import pytest
import torch

from tests.algos.learners import PHASES, each_once, same_bits


@each_once
@pytest.mark.parametrize("phase", PHASES)
def test_a_saved_learner_goes_on_as_if_nothing_happened(
    tiny_learner: Any, random_batch: Any, algorithm: str, backbone: str, phase: Any
):
    """Through a file read with weights_only, into a learner of other seeds; later updates and phases agree to the bit."""
    learner, other = tiny_learner(algorithm, backbone, seeds=(0, 1)), tiny_learner(algorithm, backbone, seeds=(8, 9))
    learner.begin(phase)
    for step in range(2):
        learner.update(random_batch(learner, step), learner.draw())
    file = BytesIO()
    torch.save(learner.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert other.phase == phase
    batch = random_batch(learner, 7)
    for next_phase in (phase, "online"):
        for each in (learner, other):
            if each.phase != next_phase:
                each.begin(next_phase)
        assert same_bits(learner.update(batch, learner.draw()), other.update(batch, other.draw()))
    assert same_bits((learner.params, learner.slow), (other.params, other.slow))
