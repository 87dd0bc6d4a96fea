"""What is said of the policies while they learn."""

from typing import Any

import pytest
import torch


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
