"""ReBRAC: its two penalties, the noise on its target, and the updates for which its actor waits."""

from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map

from algos.rebrac import target_noise


def test_target_noise_is_scaled_and_bounded():
    noise = target_noise(torch.tensor([-9.0, -1.0, 0.0, 2.0, 9.0]), 0.2, 0.5)
    torch.testing.assert_close(noise, torch.tensor([-0.5, -0.2, 0.0, 0.4, 0.5]))


def test_the_actor_is_penalised_by_the_distance_to_the_data(problem: Any):
    """L = a_1 |pi(s) - a|^2 - min Q(s, pi(s)) / mean |min Q|."""
    algo, nets, _, batch, noise = problem("rebrac", "deterministic", actor_penalty=0.3)
    loss, _ = algo.actor_loss(nets, batch, noise, "offline")
    action = nets.actor.net(batch.obs).tanh()
    q = nets.critic(batch.obs, action).amin(0)
    torch.testing.assert_close(loss, 0.3 * (action - batch.action).square().sum(1).mean() - q.mean() / q.abs().mean())


def test_the_target_is_penalised_by_the_distance_to_the_data(problem: Any):
    """y = R + gamma^H mask (min Q_slow(s', a') - a_2 |a' - the data's|^2), a' the slow policy's with noise; where no next
    action is known (the first state of the batch) there is no penalty."""
    algo, nets, _, batch, noise = problem("rebrac", "deterministic", critic_penalty=0.7, target_std=0.3, discount=0.9)
    assert batch.next_action[0].isnan().all() and batch.next_action[1:].isfinite().all()
    loss, _ = algo.critic_loss(nets, batch, noise)
    action = nets.slow.actor.net(batch.next_obs).tanh() + (0.3 * noise["next_action"][:, 0]).clamp(-0.5, 0.5)
    action = action.clamp(-1, 1)
    penalty = torch.cat([torch.zeros(1), (action - batch.next_action)[1:].square().sum(1)])
    value = nets.slow.critic(batch.next_obs, action).amin(0) - 0.7 * penalty
    target = batch.reward[:, 0] + 0.9 * batch.reward[:, 1] + 0.81 * batch.mask.amin(1) * value
    torch.testing.assert_close(loss, (nets.critic(batch.obs, batch.action) - target).square().mean())


@pytest.mark.parametrize("every", [1, 2, 3])
def test_slow_networks_move_at_every_nth_update_across_a_checkpoint(tiny_learner: Any, random_batch: Any, every: int):
    """The waiting actor is moved on by Adam's momentum alone: as without a gradient."""
    learners = [tiny_learner("rebrac", "deterministic", actor_every=every) for _ in range(2)]
    learner, moved = learners[0], []
    for step in range(7):
        if step == 4:
            learners[1].load_state_dict(learner.state_dict())
            learner = learners[1]
        before = tree_map(lambda p: p.detach().clone(), (learner.params, learner.slow))
        learner.update(random_batch(learner, step), learner.draw())
        params, slow = (
            {name: not torch.equal(tree_leaves(old[name])[0], tree_leaves(new[name])[0]) for name in old}
            for old, new in zip(before, (learner.params, learner.slow), strict=True)
        )
        assert params["critic"] and params["actor"] and len(set(slow.values())) == 1
        assert (learner.trained[0]["actor"]["layers.0.weight"].grad != 0).any() == (step % every == 0)
        moved.append(slow["actor"])
    assert moved == [step > 0 and step % every == 0 for step in range(7)]  # the first finds copies of what it moves to
