"""How policies climb Q: through the whole sampler (BRAC), with penalties and delays (ReBRAC), against a score (SRPO), or by
weights alone (AWAC)."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from algos.learner.binding import bind
from algos.rebrac import target_noise
from algos.srpo import SRPO
from backbones.diffusion import Diffusion, schedule


def gradient(value: Tensor, params: Any) -> Any:
    return torch.autograd.grad(value, list(params.values()), allow_unused=True, retain_graph=True)


# ---- BRAC


def test_brac_is_cloning_less_q_through_the_whole_sampler(problem: Any):
    """L = alpha L_BC - eta Q(s, Euler(s, noise)), by hand through three Euler steps; the critic gets no gradient."""
    algo, nets, params, batch, noise = problem("brac", "flow", data_weight=3.0, q_weight=0.5)
    loss, _ = algo.actor_loss(nets, batch, noise, "offline")
    x = noise["action"]
    for i in range(3):
        x = x + nets.actor.net(batch.obs, x, torch.full((5, 1), i / 3)) / 3
    bc, _ = nets.actor.clone(batch.obs, batch.action, noise["fit"])
    expected = 3 * bc.mean() - 0.5 * nets.critic(batch.obs, x.clamp(-1, 1)).mean()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradient(loss, params["actor"]), gradient(expected, params["actor"]))
    assert all(g is None for g in gradient(loss, params["critic"]))
    assert not torch.allclose(gradient(loss, params["actor"])[0], gradient(3 * bc.mean(), params["actor"])[0])


def test_brac_with_normalised_q_does_not_depend_on_the_rewards_scale(problem: Any):
    algo, nets, params, batch, noise = problem("brac", "consistency", normalize_q=True)
    small = gradient(algo.actor_loss(nets, batch, noise, "offline")[0], params["actor"])
    critic = nets.constant.critic
    nets.constant.critic = lambda obs, action: 100 * critic(obs, action)
    torch.testing.assert_close(gradient(algo.actor_loss(nets, batch, noise, "offline")[0], params["actor"]), small)


def test_max_q_backup_takes_each_critic_s_best_of_the_samples(problem: Any):
    algo, nets, _, batch, noise = problem("brac", "gaussian", target_samples=4)
    obs = batch.next_obs
    values = torch.stack([nets.slow.critic(obs, nets.actor.sample(obs, noise["next_action"][:, i])) for i in range(4)])
    torch.testing.assert_close(algo.next_values(nets, batch, noise), values.amax(0))


# ---- AWAC


def test_awac_weights_cloning_by_the_advantage_over_its_own_samples(problem: Any):
    algo, nets, params, batch, noise = problem("awac", "flow", inverse_temperature=2.0)
    loss, _ = algo.actor_loss(nets, batch, noise, "offline")
    samples = [nets.actor.sample(batch.obs, noise["value"][:, i]) for i in range(4)]
    value = torch.stack([nets.critic(batch.obs, a).mean(0) for a in samples]).mean(0)
    weight = (2 * (nets.critic(batch.obs, batch.action).mean(0) - value)).exp().detach()
    bc, _ = nets.actor.clone(batch.obs, batch.action, noise["fit"])
    torch.testing.assert_close(loss, (weight * bc).mean())
    torch.testing.assert_close(gradient(loss, params["actor"]), gradient((weight * bc).mean(), params["actor"]))


# ---- ReBRAC


def test_target_noise_is_scaled_and_bounded():
    noise = target_noise(torch.tensor([-9.0, -1.0, 0.0, 2.0, 9.0]), 0.2, 0.5)
    torch.testing.assert_close(noise, torch.tensor([-0.5, -0.2, 0.0, 0.4, 0.5]))


def test_rebrac_penalises_the_distance_to_the_data_s_action_in_the_actor(problem: Any):
    """L = a_1 |pi(s) - a|^2 - min Q(s, pi(s)) / mean |min Q|."""
    algo, nets, _, batch, noise = problem("rebrac", "deterministic", actor_penalty=0.3)
    loss, _ = algo.actor_loss(nets, batch, noise, "offline")
    action = nets.actor.net(batch.obs).tanh()
    q = nets.critic(batch.obs, action).amin(0)
    torch.testing.assert_close(loss, 0.3 * (action - batch.action).square().sum(1).mean() - q.mean() / q.abs().mean())


def test_rebrac_penalises_the_distance_to_the_data_s_next_action_in_the_target(problem: Any):
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
def test_rebrac_moves_the_actor_at_every_nth_update_across_a_checkpoint(tiny_learner: Any, random_batch: Any, every: int):
    learners = [tiny_learner("rebrac", "deterministic", actor_every=every) for _ in range(2)]
    learner, moved = learners[0], []
    for step in range(7):
        if step == 4:
            learners[1].load_state_dict(learner.state_dict())
            learner = learners[1]
        before = tree_map(lambda p: p.detach().clone(), learner.params)
        learner.update(random_batch(learner, step), learner.draw())
        changed = {name: not torch.equal(tree_leaves(before[name])[0], tree_leaves(learner.params[name])[0]) for name in before}
        assert changed["critic"]
        moved.append(changed["actor"])
    assert moved == [step % every == 0 for step in range(7)]


# ---- SRPO


def test_srpo_moves_the_policy_up_q_and_the_behaviour_s_score(problem: Any):
    """dL/da = sigma^2 (e - noise) - beta dQ_slow/da at a = tanh pi(s); the diffusion model only clones, the critic stays."""
    algo, nets, params, batch, noise = problem("srpo", "diffusion", q_weight=0.4)
    loss, _ = algo.actor_loss(nets, batch, noise, "offline")
    action = nets.policy(batch.obs).tanh()
    free = action.detach().requires_grad_()
    (up,) = torch.autograd.grad(nets.slow.critic(batch.obs, free).mean(0).sum(), free)
    t, eps = noise["score"]["t"][:, 0], noise["score"]["noise"][:, 0]
    alpha, sigma = schedule(t)
    away = sigma**2 * (nets.actor.net(batch.obs, alpha * free + sigma * eps, t) - eps)
    surrogate = ((away.detach() - 0.4 * up) * action).sum(1).mean()
    torch.testing.assert_close(gradient(loss, params["policy"]), gradient(surrogate, params["policy"]))
    bc, _ = nets.actor.clone(batch.obs, batch.action, noise["fit"])
    torch.testing.assert_close(gradient(loss, params["actor"]), gradient(bc.mean(), params["actor"]))
    assert all(g is None for g in gradient(loss, params["critic"]))


def test_srpo_s_score_points_to_the_data_of_a_gaussian():
    """With the best noise prediction for N(m, s^2), the mean of sigma^2 (e - noise) at a is proportional to a - m."""
    mean, std, diffusion, count = 0.2, 0.3, Diffusion(diffusion_steps=4), 40_000

    def expected_noise(obs: Tensor, x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = schedule(t)
        return sigma * (x - alpha * mean) / ((alpha * std).square() + sigma.square())

    nets = bind(diffusion, {}, {})
    nets.actor = type("Policy", (), {"net": staticmethod(expected_noise)})
    g = torch.Generator().manual_seed(0)
    noise = diffusion.draw(g, count, 1, 1)
    t = torch.arange(1, 5) / 4
    alpha, sigma = schedule(t)
    slope = (sigma**3 * alpha / ((alpha * std) ** 2 + sigma**2)).mean()
    for at in (-0.5, 0.2, 0.6):
        gap = SRPO().score_gap(nets, torch.zeros(count, 1), torch.full((count, 1), at), noise)
        assert float(gap.mean()) == pytest.approx(float(slope) * (at - mean), abs=0.005)
