"""Flow Q-Learning: who learns from whom."""

from typing import Any

import torch


def test_student_imitates_the_teacher_and_climbs_q_while_the_critic_stays(problem: Any, gradient: Any):
    """L = L_BC + alpha |student - teacher|^2 - Q(student), by hand; the critic gets no gradient, the teacher L_BC's alone."""
    algo, nets, params, batch, noise = problem("fql", "flow", distill_weight=7.0)
    loss, _ = algo.actor_loss(nets, batch, noise, "offline")
    bc, _ = nets.actor.clone(batch.obs, batch.action, noise["fit"])
    student = nets.student(batch.obs, noise["distill"])
    teacher = nets.actor.sample(batch.obs, noise["distill"]).detach()
    q = nets.critic(batch.obs, student.clamp(-1, 1)).mean()
    torch.testing.assert_close(loss, bc.mean() + 7 * (student - teacher).square().mean() - q)
    assert all(g is None for g in gradient(loss, params["critic"]))
    torch.testing.assert_close(gradient(loss, params["actor"]), gradient(bc.mean(), params["actor"]))
    assert all(g.any() for g in gradient(loss, params["student"]))


def test_normalised_q_does_not_depend_on_the_rewards_scale(problem: Any, gradient: Any):
    algo, nets, params, batch, noise = problem("fql", "flow", normalize_q=True, distill_weight=0.0)
    small = gradient(algo.actor_loss(nets, batch, noise, "offline")[0], params["student"])
    critic = nets.constant.critic
    nets.constant.critic = lambda obs, action: 100 * critic(obs, action)
    large = gradient(algo.actor_loss(nets, batch, noise, "offline")[0], params["student"])
    torch.testing.assert_close(large, small, rtol=1e-4, atol=1e-6)
