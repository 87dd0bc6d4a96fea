"""Seeds side by side: each is what it is alone, whichever way they are computed, and nothing but the seed decides."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from algos.learner import Learner
from backbones.base import Backbone, find
from tests.algos.learners import PHASES, copied, each_once, every_pair, same_bits, seed_of, train


@every_pair
def test_a_seed_among_others_is_that_seed_alone_to_the_bit(tiny_learner: Any, random_batch: Any, algorithm: str, backbone: str):
    together = tiny_learner(algorithm, backbone, seeds=(3, 5, 7))
    infos = train(together, random_batch)
    for index, seed in enumerate(together.seeds):
        alone = tiny_learner(algorithm, backbone, seeds=(seed,))
        own = train(alone, random_batch)
        assert same_bits(seed_of(together, index), seed_of(alone, 0))
        assert same_bits(tree_map(lambda x, index=index: x[index], infos), tree_map(lambda x: x[0], own))
    assert not same_bits(seed_of(together, 0), seed_of(together, 1))


@pytest.mark.parametrize("width", [64, 131])
@pytest.mark.parametrize("name", ["dfp", "fql"])
def test_a_seed_among_others_is_that_seed_alone_in_larger_networks(
    tiny_algorithm: Any, random_batch: Any, name: str, width: int
):
    """As above where vector registers and threads divide the parameters differently, and so are the actions of its policy."""
    algorithm = tiny_algorithm(name, critic_width=width)
    backbone = find("backbones", Backbone, "flow")(width, 3)
    together, alone = (Learner(algorithm, backbone, 3, 2, seeds) for seeds in ((3, 5, 7, 9, 11), (7,)))
    assert same_bits(train(together, random_batch, 3)[-1]["loss"][2], train(alone, random_batch, 3)[-1]["loss"][0])
    assert same_bits(seed_of(together, 2), seed_of(alone, 0))
    chunks = [actor(np.ones((1, 3), np.float32), [np.random.default_rng(0)]) for actor in (together.actor(2), alone.actor(0))]
    assert np.array_equal(*chunks)


@each_once
@pytest.mark.parametrize("phase", PHASES)
def test_seeds_one_by_one_are_what_vmap_computes(
    tiny_learner: Any, random_batch: Any, request: pytest.FixtureRequest, algorithm: str, backbone: str, phase: Any
):
    """Losses, information and gradients: a call for each seed, as on a CPU, and one for all, as on a GPU."""

    def gradients(learner: Learner) -> Any:
        return tree_map(lambda *parts: torch.stack([p.grad for p in parts]).view(3, -1), *learner.trained)

    apart = tiny_learner(algorithm, backbone, seeds=(0, 1, 2))
    train(apart, random_batch, updates=1)
    apart.begin(phase)
    state, batch, noise = deepcopy({**apart.state_dict(), "moments": {}}), random_batch(apart, 7), apart.draw()
    info = apart.update(batch, noise)
    request.getfixturevalue("as_on_gpu")
    mapped = tiny_learner(algorithm, backbone, seeds=(0, 1, 2))
    mapped.load_state_dict(state)
    mapped_info = mapped.update(batch, noise)
    assert len(apart.trained) == 3 and len(mapped.trained) == 1 and info["loss"].shape == (3,)
    torch.testing.assert_close(info, mapped_info, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradients(apart), gradients(mapped), rtol=1e-3, atol=1e-4)


class Features(torch.nn.Module):
    """A network with fixed random features, a frozen weight, a counter and a scalar to learn."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.register_buffer("features", torch.randn(inputs, 8))
        self.register_buffer("calls", torch.tensor(0))
        self.frozen = torch.nn.Parameter(torch.randn(8), requires_grad=False)
        self.scale = torch.nn.Parameter(torch.tensor(1.0))
        self.last = torch.nn.Linear(8, outputs)

    def forward(self, *inputs: Tensor) -> Tensor:
        lead = torch.broadcast_shapes(*(x.shape[:-1] for x in inputs))
        x = torch.cat([x.expand(*lead, -1) for x in inputs], -1)
        return self.scale * self.last((x @ self.features + self.frozen).sin())


@pytest.mark.parametrize("gpu", [False, True], ids=["each seed apart", "vmap"])
def test_buffers_and_frozen_weights_stay_each_seed_s_own(
    tiny_learner: Any, random_batch: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, gpu: bool
):
    monkeypatch.setattr("backbones.drifting.MLP", lambda inputs, outputs, *_: Features(inputs, outputs))
    if gpu:
        request.getfixturevalue("as_on_gpu")
    learner = tiny_learner("dfp", "drifting", seeds=(0, 1))
    before = copied(learner.params["actor"])
    train(learner, random_batch)
    moved = {key: not torch.equal(p, before[key]) for key, p in learner.params["actor"].items()}
    assert {key for key in moved if moved[key]} == {"scale", "last.weight", "last.bias"}
    assert not torch.equal(*learner.params["actor"]["features"]) and not torch.equal(*learner.params["actor"]["frozen"])


@each_once
def test_training_twice_gives_the_same_bits(tiny_learner: Any, random_batch: Any, algorithm: str, backbone: str):
    first, second = (tiny_learner(algorithm, backbone, seeds=(0, 1)) for _ in range(2))
    train(first, random_batch)
    torch.randn(3)  # the global generator plays no part
    train(second, random_batch)
    assert same_bits((first.params, first.slow), (second.params, second.slow))
