"""The learner with every pair of an algorithm and a backbone: one update, seeds side by side, and picking up again."""

from copy import deepcopy
from functools import partial
from io import BytesIO
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils._pytree import tree_leaves, tree_map

from algos.base import Algorithm
from algos.learner import Learner
from backbones.base import Backbone, find, names

ALGORITHMS, BACKBONES, PHASES = names("algos", Algorithm), names("backbones", Backbone), ("offline", "online")


def fits(algorithm: str, backbone: str) -> bool:
    return not find("algos", Algorithm, algorithm)().misfit(find("backbones", Backbone, backbone)())


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


@every_pair
@pytest.mark.parametrize("phase", PHASES)
def test_an_update_moves_every_network(tiny_learner: Any, random_batch: Any, algorithm: str, backbone: str, phase: Any):
    """And reports finite numbers, one a seed."""
    learner = tiny_learner(algorithm, backbone, seeds=(0, 1))
    learner.begin(phase)
    before = copied(learner.params)
    info = learner.update(random_batch(learner), learner.draw())
    for name, net in learner.params.items():
        for key, p in net.items():
            moved = (p != before[name][key]).flatten(1).any(1)
            assert moved.all(), f"{name}.{key} did not move"
    assert {"loss", "actor_loss"} <= set(info)
    assert all(value.shape == (2,) and value.isfinite().all() for value in info.values())


@each_once
def test_slow_networks_follow_the_parameters_from_before_the_step(
    tiny_learner: Any, random_batch: Any, algorithm: str, backbone: str
):
    """slow <- slow + rate (p - slow), p from before Adam; so the first update leaves a fresh copy where it is."""
    learner = tiny_learner(algorithm, backbone)
    learner.begin("online")
    for step in range(3):
        params, slow = copied(learner.params), copied(learner.slow)
        learner.update(random_batch(learner, step), learner.draw())
        for name, rate in learner.algorithm.slow_rates("online").items():
            for key, ours in learner.slow[name].items():
                expected = slow[name][key] + rate * (params[name][key] - slow[name][key])
                torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-8)
                assert step > 0 or torch.equal(ours, params[name][key])
                assert step == 0 or not torch.equal(ours, slow[name][key])


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


@pytest.mark.usefixtures("as_on_gpu")
def test_a_compiled_update_is_one_graph_and_the_eager_one(
    tiny_learner: Any, random_batch: Any, monkeypatch: pytest.MonkeyPatch
):
    """With a backend that traces forward and backward as on a GPU, but generates no code; what it cannot trace raises."""
    traced = CompileCounterWithBackend("aot_eager")
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=traced, fullgraph=True))
    monkeypatch.setattr("backbones.dense.by_onednn", lambda x: False)
    eager, compiled = (tiny_learner("dfp", "drifting", (0, 1), compile=compile) for compile in (False, True))
    eager.begin("online")
    compiled.begin("online")
    for step in range(2):
        batch, noise = random_batch(eager, step), eager.draw()
        torch.testing.assert_close(compiled.update(batch, noise), eager.update(batch, noise), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(compiled.params, eager.params, rtol=1e-3, atol=1e-3)
    assert traced.frame_count == 1


@each_once
def test_an_actor_executes_chunks_of_its_own_seed(tiny_learner: Any, random_batch: Any, algorithm: str, backbone: str):
    """A chunk [H, action_dim] in the unit box for each state, drawn from the caller's generator; a snapshot stays as it was."""
    learner = tiny_learner(algorithm, backbone, seeds=(0, 1))
    obs = np.ones((1, 3), np.float32)

    def act(actor: Any) -> np.ndarray:
        return actor(obs, [np.random.default_rng(0)])

    live, other, snapshot = learner.actor(0), learner.actor(1), learner.actor(0).snapshot()
    before = act(live)
    assert before.shape == (1, learner.algorithm.horizon, 2) and np.abs(before).max() <= 1
    assert np.array_equal(before, act(snapshot)) and not np.array_equal(before, act(other))
    learner.update(random_batch(learner), learner.draw())
    assert np.array_equal(before, act(snapshot)) and not np.array_equal(before, act(live))


@pytest.mark.parametrize("algorithm", ["dfp", "fql", "bc"])
def test_watch_values_what_the_policies_generate(algorithm: str, tiny_learner: Any):
    """Each seed's own, the same at every call, without best-of-N'; a policy that is constant has no spread and is clipped."""
    learner = tiny_learner(algorithm, "flow", seeds=(0, 5))
    obs = torch.randn(2, 6, 3)
    seen, again = learner.watch(obs), learner.watch(obs)
    alone = tiny_learner(algorithm, "flow", seeds=(5,)).watch(obs[1:])
    assert all(torch.equal(seen[name], again[name]) and torch.equal(seen[name][1:], alone[name]) for name in seen)
    assert ("q_generated" in seen) == (algorithm != "bc") and (seen["actor_spread"] > 0.1).all()
    acting = {"dfp": "actor", "fql": "student", "bc": "actor"}[algorithm]
    with torch.no_grad():
        for name, p in learner.params[acting].items():
            p.fill_(1e3 if name.endswith("bias") else 0)
    assert learner.watch(obs)["actor_spread"].max() < 1e-6 and learner.watch(obs)["actor_clipped"].min() == 1
