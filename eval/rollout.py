"""Rollouts: whole episodes of a policy, spread over worker processes, the same outcome however many there are.

Episode e of seed s always starts from the same reset and meets the same action noise, whatever the method: results are paired.
"""

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass

import gymnasium
import numpy as np
import torch

from algos.learner import Actor
from envs.task import SuccessTiming, Task, find_task

TRAIN, EVALUATE = 0, 1  # the two families of episodes; no seed is shared between them


def reset_seed(family: int, seed: int, episode: int) -> int:
    """The environment's seed for one episode of one training seed."""
    return int(np.random.SeedSequence([family, seed, episode]).generate_state(1)[0])


def action_rng(family: int, seed: int, episode: int, step: int) -> np.random.Generator:
    """The noise of the policy call at one step of one episode: no stream is shared between steps."""
    return np.random.default_rng([family, seed, episode, step])


@dataclass(frozen=True)
class Episode:
    """What one episode came to; `success` is true when the task was solved at any step."""

    seed: int
    episode: int
    success: bool
    total_reward: float
    length: int


def rollout(env: gymnasium.Env, actor: Actor, seed: int, episode: int) -> Episode:
    """One evaluation episode: a policy call a chunk, its actions executed open loop."""
    obs, _ = env.reset(seed=reset_seed(EVALUATE, seed, episode))
    total_reward, step, success, done = 0.0, 0, False, False
    while not done:
        for action in actor(obs, action_rng(EVALUATE, seed, episode, step)):
            obs, reward, terminated, truncated, info = env.step(action)
            total_reward, step, success = total_reward + reward, step + 1, success or info["success"]
            done = terminated or truncated
            if done:
                break
    return Episode(seed, episode, success, total_reward, step)


class Evaluator:
    """Runs episodes on `workers` processes, which it keeps; 0 runs them here. Results come in the order of the episodes."""

    def __init__(self, task: Task, success_timing: SuccessTiming, workers: int):
        self._setting = (task.name, success_timing)
        self._pool = None
        if workers:
            self._pool = multiprocessing.get_context("spawn").Pool(workers, _start_worker, self._setting)
        else:
            self._env = task.make_env(success_timing)

    def evaluate(self, actors: dict[int, Actor], episodes: int, block: int = 5) -> Iterator[Episode]:
        """`episodes` episodes of each seed's actor, seeds in order, yielded as they are done."""
        if self._pool is None:
            yield from (rollout(self._env, actor, seed, e) for seed, actor in actors.items() for e in range(episodes))
            return
        blocks = [
            (actor, seed, range(first, min(first + block, episodes)))
            for seed, actor in actors.items()
            for first in range(0, episodes, block)
        ]
        for results in self._pool.imap(_run_block, blocks):
            yield from results

    def close(self) -> None:
        if self._pool is None:
            self._env.close()
        else:
            self._pool.terminate()
            self._pool.join()


_worker_env: gymnasium.Env


def _start_worker(task_name: str, success_timing: SuccessTiming) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    torch.set_num_threads(1)
    global _worker_env
    _worker_env = find_task(task_name).make_env(success_timing)


def _run_block(block: tuple[Actor, int, range]) -> list[Episode]:
    actor, seed, episodes = block
    return [rollout(_worker_env, actor, seed, episode) for episode in episodes]
