"""An update of every pair of an algorithm and a backbone: what moves, what follows, and that compiling changes nothing."""

from functools import partial
from typing import Any

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from tests.algos.learners import PHASES, copied, each_once, every_pair


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
        waits = any(step % every for every in learner.algorithm.delays().values())
        for name, rate in learner.algorithm.slow_rates("online").items():
            rate *= not waits
            for key, ours in learner.slow[name].items():
                expected = slow[name][key] + rate * (params[name][key] - slow[name][key])
                torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-8)
                assert step > 0 or torch.equal(ours, params[name][key])
                assert step == 0 or rate == 0 or not torch.equal(ours, slow[name][key])


@pytest.mark.parametrize(
    ("algorithm", "backbone", "seeds", "backend"),
    [
        ("dfp", "drifting", (0, 1), "aot_eager"),
        ("dfp", "meanflow", (0, 1), "eager"),
        ("rebrac", "deterministic", (0,), "eager"),
        ("srpo", "diffusion", (0,), "eager"),
    ],
)
def test_a_compiled_update_is_one_graph_and_the_eager_one(
    tiny_learner: Any,
    random_batch: Any,
    monkeypatch: pytest.MonkeyPatch,
    algorithm: str,
    backbone: str,
    seeds: tuple[int, ...],
    backend: str,
):
    """The first as on a GPU, where seeds are mapped over, the others as on a CPU; `fullgraph` raises at what cannot be traced.
    Neither backend generates code, but aot_eager traces the backward pass as well."""
    traced = CompileCounterWithBackend(backend)
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=traced, fullgraph=True))
    monkeypatch.setattr("algos.learner.learner.is_gpu", lambda device: backend == "aot_eager")
    options = {"seeds": seeds, "critic_depth": 1}
    eager, compiled = (tiny_learner(algorithm, backbone, compile=compile, **options) for compile in (False, True))
    for each in (eager, compiled):
        each.begin("online")
    for step in range(2):
        batch, noise = random_batch(eager, step), eager.draw()
        torch.testing.assert_close(compiled.update(batch, noise), eager.update(batch, noise), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(compiled.params, eager.params, rtol=1e-3, atol=1e-3)
    assert traced.frame_count == 1
