"""Drifting Field Policy: its phases, its old policy and its elites."""

from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map

from algos.base import Nets
from algos.learner import Learner
from algos.learner.binding import bind


def copied(parameters: Any) -> Any:
    return tree_map(lambda p: p.detach().clone(), parameters)


def equal(ours: Any, theirs: Any) -> bool:
    return all(map(torch.equal, tree_leaves(ours), tree_leaves(theirs)))


def nets_of(learner: Learner) -> Nets:
    """The networks of its only seed."""
    return bind(learner.backbone, learner.modules, learner.trained[0], first(learner.slow))


def first(values: Any) -> Any:
    return tree_map(lambda x: x[0], values)


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


def test_elites_are_the_old_policys_best_by_the_mean_of_the_critics(tiny_learner: Any, random_batch: Any):
    learner = tiny_learner("dfp", "drifting")
    learner.begin("online")
    for step in range(2):
        learner.update(random_batch(learner, step), learner.draw())
    nets, batch, noise = nets_of(learner), first(random_batch(learner)), first(learner.draw())["candidates"]
    elites, info = learner.algorithm.propose(nets, batch.obs, noise)
    for obs, draws, kept in zip(batch.obs, noise, elites, strict=True):
        actions = nets.slow.actor.sample(obs.expand(len(draws), -1), draws)
        values = nets.critic(obs.expand(len(draws), -1), actions).mean(0)
        torch.testing.assert_close(kept, actions[values.argsort()[-2:]])
    assert info["q_elites"] > info["q_candidates"] and not elites.requires_grad


def test_actor_loss_is_the_weighted_sum_of_both(tiny_learner: Any, random_batch: Any):
    """data_weight L_BC + elite_weight L_top-K, on the same generated samples (Eqs. 16, 18)."""
    learner = tiny_learner("dfp", "drifting", data_weight=3.0, elite_weight=0.25)
    learner.begin("online")
    nets, batch, noise = nets_of(learner), first(random_batch(learner)), first(learner.draw())
    loss, _ = learner.algorithm.actor_loss(nets, batch, noise, "online")
    elites, _ = learner.algorithm.propose(nets, batch.obs, noise["candidates"])
    bc, _ = nets.actor.clone(batch.obs, batch.action, noise["fit"])
    top, _ = nets.actor.fit(batch.obs, elites=elites, noise=noise["fit"])
    torch.testing.assert_close(loss, 3 * bc.mean() + 0.25 * top["elites"].mean())


@pytest.mark.parametrize("backbone", ["drifting", "meanflow"])
def test_the_critic_learns_from_rewards_alone_and_the_actor_from_no_critic_gradient(
    tiny_learner: Any, random_batch: Any, backbone: str
):
    """Neither loss sends a gradient into the other's network."""
    learner = tiny_learner("dfp", backbone)
    learner.begin("online")
    nets, batch, noise = nets_of(learner), first(random_batch(learner)), first(learner.draw())
    actor, critic = (list(learner.trained[0][name].values()) for name in ("actor", "critic"))
    actor_loss, _ = learner.algorithm.actor_loss(nets, batch, noise, "online")
    critic_loss, _ = learner.algorithm.critic_loss(nets, batch, noise)
    assert all(g is None for g in torch.autograd.grad(actor_loss, critic, allow_unused=True, retain_graph=True))
    assert all(g is None for g in torch.autograd.grad(critic_loss, actor, allow_unused=True))


def test_critic_loss_is_the_squared_td_error(tiny_learner: Any, random_batch: Any):
    """By hand, one state after the other: y = r_0 + gamma r_1 + gamma^2 min(mask) mean Q_slow(s', best of N' of Q)."""
    learner = tiny_learner("dfp", "gaussian", discount=0.9)
    for step in range(3):
        learner.update(random_batch(learner, step), learner.draw())
    nets, batch, noise = nets_of(learner), first(random_batch(learner, 9)), first(learner.draw())
    loss, _ = learner.algorithm.critic_loss(nets, batch, noise)
    errors = []
    for obs, action, reward, mask, next_obs, draws in zip(*batch[:5], noise["next_action"], strict=True):
        candidates = [nets.actor.sample(next_obs, draw) for draw in draws]
        best = max(candidates, key=lambda a: nets.critic(next_obs, a).mean().item())
        target = reward[0] + 0.9 * reward[1] + 0.81 * mask.min() * nets.slow.critic(next_obs, best).mean()
        errors.append((nets.critic(obs, action) - target).square().mean())
    torch.testing.assert_close(loss, torch.stack(errors).mean())
    assert {0.0, 1.0} == set(batch.mask.amin(-1).tolist())
