"""Planning: the next chunk of each seed that begins one."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from algos.learner import Actor, Learner
from envs.replay import staged
from eval.running.threads import one_thread

Asked = Mapping[int, tuple[np.ndarray, np.random.Generator]]  # by the seed's index: an observation, and the call's noise
Plan = Callable[[Asked], dict[int, np.ndarray]]  # to a chunk [H, action_dim] for each


def one_by_one(actors: Sequence[Actor], asked: Asked) -> dict[int, np.ndarray]:
    """A call for each, by one thread: as suits a CPU."""
    with one_thread():
        return {index: actors[index](obs[None], [rng])[0] for index, (obs, rng) in asked.items()}


def at_once(learner: Learner, asked: Asked) -> dict[int, np.ndarray]:
    """One call for all seeds, also for those that do not ask, since a graph has one shape: as suits a GPU, for which it waits
    once."""
    algorithm, first = learner.algorithm, next(iter(asked.values()))[0]
    obs = np.zeros((len(learner.seeds), 1, *first.shape), np.float32)
    noise = np.zeros((len(learner.seeds), 1, *algorithm.noise_shape(learner.backbone, learner.chunk_dim)), np.float32)
    for index, (seen, rng) in asked.items():
        obs[index] = seen
        rng.standard_normal(dtype=np.float32, out=noise[index, 0])
    there = (staged(x, learner.device).to(learner.device, non_blocking=True) for x in (obs, noise))
    chunks = learner.act(*there).cpu().numpy()
    return {index: chunks[index].reshape(algorithm.horizon, -1) for index in asked}


def at_random(action_dim: int, asked: Asked) -> dict[int, np.ndarray]:
    """Uniform actions, one for each: a chunk of one action."""
    return {index: rng.uniform(-1, 1, (1, action_dim)).astype(np.float32) for index, (_, rng) in asked.items()}
