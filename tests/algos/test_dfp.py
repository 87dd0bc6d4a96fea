"""Drifting Field Policy: its phases, its old policy and its elites."""

from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map


def copied(parameters: Any) -> Any:
    return tree_map(lambda p: p.detach().clone(), parameters)


def equal(ours: Any, theirs: Any) -> bool:
    return all(map(torch.equal, tree_leaves(ours), tree_leaves(theirs)))


def test_without_elite_weight_online_is_offline(tiny_learner: Any, random_batch: Any):
    """The same draws, the same loss, and no old policy."""
    learners = [tiny_learner("dfp", "drifting", elite_weight=0.0) for _ in range(2)]
    for learner, phase in zip(learners, ("offline", "online"), strict=True):
        learner.begin(phase)
        assert set(learner.slow) == {"critic"}
        for step in range(2):
            learner.update(random_batch(learner, step), learner.draw())
    assert equal(learners[0].params, learners[1].params)


def test_with_elite_weight_online_is_not_offline(tiny_learner: Any, random_batch: Any):
    learners = [tiny_learner("dfp", "drifting") for _ in range(2)]
    for learner, phase in zip(learners, ("offline", "online"), strict=True):
        learner.begin(phase)
        learner.update(random_batch(learner), learner.draw())
    assert not equal(learners[0].params["actor"], learners[1].params["actor"])


def test_old_policy_starts_as_a_copy_when_the_online_phase_begins(tiny_learner: Any, random_batch: Any):
    """And the target critic goes on from where it was."""
    learner = tiny_learner("dfp", "drifting")
    assert "actor" not in learner.slow
    for step in range(3):
        learner.update(random_batch(learner, step), learner.draw())
    critic = copied(learner.slow["critic"])
    learner.begin("online")
    assert equal(learner.slow["actor"], learner.params["actor"])
    assert equal(learner.slow["critic"], critic) and not equal(critic, learner.params["critic"])


def test_elites_from_the_first_step_when_asked_for(tiny_learner: Any):
    """The paper's offline RL setting: both losses offline, the old policy a copy of the untrained one."""
    learner = tiny_learner("dfp", "drifting", elites_offline=True)
    assert equal(learner.slow["actor"], learner.params["actor"]) and "candidates" in learner.draw()


def test_elites_are_the_old_policy_s_best(problem: Any):
    algo, nets, _, batch, noise = problem("dfp", "drifting", "online")
    elites, info = algo.propose(nets, batch.obs, noise["candidates"])
    for state, kept in enumerate(elites):
        obs = batch.obs[state].expand(6, -1)
        actions = nets.slow.actor.sample(obs, noise["candidates"][state])
        values = nets.critic(obs, actions).mean(0)
        torch.testing.assert_close(kept, actions[values.argsort()[-2:]])
    assert info["q_elites"] > info["q_candidates"] and not elites.requires_grad


def test_actor_loss_is_the_weighted_sum_of_both(problem: Any):
    """data_weight L_BC + elite_weight L_top-K, on the same generated samples (Eqs. 16, 18)."""
    algo, nets, _, batch, noise = problem("dfp", "drifting", "online", data_weight=3.0, elite_weight=0.25)
    loss, _ = algo.actor_loss(nets, batch, noise, "online")
    elites, _ = algo.propose(nets, batch.obs, noise["candidates"])
    bc, _ = nets.actor.clone(batch.obs, batch.action, noise["fit"])
    top, _ = nets.actor.fit(batch.obs, elites=elites, noise=noise["fit"])
    torch.testing.assert_close(loss, 3 * bc.mean() + 0.25 * top["elites"].mean())


@pytest.mark.parametrize("backbone", ["drifting", "meanflow"])
def test_neither_loss_reaches_the_other_s_network(problem: Any, gradient: Any, backbone: str):
    """The critic learns from rewards alone, the actor by no gradient of the critic."""
    algo, nets, params, batch, noise = problem("dfp", backbone, "online")
    actor_loss, _ = algo.actor_loss(nets, batch, noise, "online")
    critic_loss, _ = algo.critic_loss(nets, batch, noise)
    assert all(g is None for g in gradient(actor_loss, params["critic"]))
    assert all(g is None for g in gradient(critic_loss, params["actor"]))


def test_critic_loss_is_the_squared_td_error(problem: Any):
    """By hand, one state after the other: y = r_0 + gamma r_1 + gamma^2 min(mask) mean Q_slow(s', best of N' of Q)."""
    algo, nets, _, batch, noise = problem("dfp", "gaussian", discount=0.9)
    loss, _ = algo.critic_loss(nets, batch, noise)
    errors = []
    for obs, action, reward, mask, next_obs, candidates in zip(*batch[:5], noise["next_action"], strict=True):
        actions = [nets.actor.sample(next_obs, z) for z in candidates]
        best = max(actions, key=lambda a: nets.critic(next_obs, a).mean().item())
        target = reward[0] + 0.9 * reward[1] + 0.81 * mask.min() * nets.slow.critic(next_obs, best).mean()
        errors.append((nets.critic(obs, action) - target).square().mean())
    torch.testing.assert_close(loss, torch.stack(errors).mean())
    assert {0.0, 1.0} == set(batch.mask.amin(-1).tolist())
