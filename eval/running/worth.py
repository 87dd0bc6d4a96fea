"""What candidate chunks are worth in truth: each is executed from one state of an episode, and the policy goes on from there.

The state is reached again by the episode's reset and its actions. After the chunk all meet the same noise.
"""

from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange

from algos.base import ActorCritic
from algos.critic import chunk_return
from algos.learner import Actor
from algos.learner.binding import by_name
from algos.learner.standardize import seen
from eval.running.rollout import LIVE, Arena, Rollout, act, action_rng, finish
from eval.running.threads import one_thread

WORTH = 2  # a family of random numbers beside those of `rollout.py`


@dataclass(frozen=True)
class Candidates:
    """The candidates of one state: the critic's values, and what came of each."""

    episode: int
    step: int
    values: tuple[float, ...]
    """Q(s, a), the mean over the ensemble, also of rules that act by a pessimistic value."""
    returns: tuple[float, ...]
    """sum over k of gamma^k r, from the state to the end of the episode, be it a time limit, past which the critic looks."""
    success: tuple[bool, ...]
    """From the state on."""


@torch.no_grad()
def propose(actor: Actor, obs: np.ndarray, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples of the policy in a state, none of them chosen, [count, H, action_dim], and the critic's values [count]."""
    assert isinstance(actor.algorithm, ActorCritic)
    noise = torch.from_numpy(rng.standard_normal((1, count, actor.noise_shape()[1]), dtype=np.float32))
    nets = by_name(actor.policies, actor.modules)
    state = seen(nets, torch.from_numpy(obs)[None])[:, None]
    with one_thread():
        samples = actor.algorithm.generate(nets, state, noise)
        values = nets.critic(state, samples).mean(0)
    return rearrange(samples, "1 n (h d) -> n h d", h=actor.algorithm.horizon).numpy(), values[0].numpy()


def try_candidates(arena: Arena, actor: Actor, seed: int, episode: int, count: int, discount: float) -> Candidates:
    """`count` candidates in a state of an evaluation episode, one of those in which a chunk begins, each as likely.

    ValueError for a simulator that does not come to the same state again.
    """
    envs = arena.environments(min(LIVE, count))
    own = Rollout(envs[0], seed, episode)
    states, chunks = [], []
    while not own.done:
        states.append((own.length, own.obs.copy()))
        chunks.append(act(actor, own.obs[None], [own.rng()])[0])
        own.follow(chunks[-1])
    rng = action_rng(WORTH, seed, episode, 0)
    place = int(rng.integers(len(states)))
    step, obs = states[place]
    proposed, values = propose(actor, obs, rng, count)
    ended: list[Rollout] = []
    for begin in range(0, count, len(envs)):
        group = proposed[begin : begin + len(envs)]
        running = [Rollout(env, seed, episode) for env, _ in zip(envs, group, strict=False)]
        for rollout, candidate in zip(running, group, strict=True):
            for chunk in chunks[:place]:
                rollout.follow(chunk)
            if not np.array_equal(rollout.obs, obs):
                raise ValueError(f"episode {episode} is not the same again: after {step} equal actions it is in another state")
            rollout.success = False
            rollout.follow(candidate)
        finish(running, actor)
        ended += running
    returns = tuple(float(chunk_return(torch.tensor(rollout.rewards[step:]), discount)) for rollout in ended)
    return Candidates(episode, step, tuple(map(float, values)), returns, tuple(bool(rollout.success) for rollout in ended))
