"""Flow Q-Learning: who learns from whom."""

from typing import Any

import torch
from torch.utils._pytree import tree_map

from algos.learner.binding import bind


def test_student_imitates_the_teacher_and_climbs_q_while_the_critic_stays(tiny_learner: Any, random_batch: Any):
    """L = L_BC + alpha |student - teacher|^2 - Q(student), by hand; the critic gets no gradient, the teacher L_BC's alone."""
    learner = tiny_learner("fql", "flow", distill_weight=7.0)
    params = tree_map(lambda p: p.detach()[0].requires_grad_(), learner.params)
    nets = bind(learner.backbone, learner.modules, params, params)
    batch, noise = random_batch(learner), learner.draw()
    batch, noise = tree_map(lambda x: x[0], (batch, noise))
    loss, _ = learner.algorithm.actor_loss(nets, batch, noise, "offline")

    bc, _ = nets.actor.clone(batch.obs, batch.action, noise["fit"])
    student = nets.student(batch.obs, noise["distill"])
    teacher = nets.actor.sample(batch.obs, noise["distill"]).detach()
    q = nets.critic(batch.obs, student.clamp(-1, 1)).mean()
    torch.testing.assert_close(loss, bc.mean() + 7 * (student - teacher).square().mean() - q)

    def gradient(value: torch.Tensor, name: str) -> Any:
        return torch.autograd.grad(value, list(params[name].values()), allow_unused=True, retain_graph=True)

    assert all(g is None for g in gradient(loss, "critic"))
    torch.testing.assert_close(gradient(loss, "actor"), gradient(bc.mean(), "actor"))
    assert all(g.any() for g in gradient(loss, "student"))


def test_normalised_q_does_not_depend_on_the_rewards_scale(tiny_learner: Any, random_batch: Any):
    learner = tiny_learner("fql", "flow", normalize_q=True, distill_weight=0.0)
    batch, noise = tree_map(lambda x: x[0], (random_batch(learner), learner.draw()))

    def student_gradient(scale: float) -> Any:
        params = tree_map(lambda p: p.detach()[0].requires_grad_(), learner.params)
        nets = bind(learner.backbone, learner.modules, params)
        critic = nets.constant.critic
        nets.constant.critic = lambda obs, action: scale * critic(obs, action)
        loss, _ = learner.algorithm.actor_loss(nets, batch, noise, "offline")
        return torch.autograd.grad(loss, list(params["student"].values()))

    torch.testing.assert_close(student_gradient(1.0), student_gradient(100.0), rtol=1e-4, atol=1e-6)
