"""Rollouts: whole episodes of a policy, spread over worker processes, the same outcome however many there are.

Episode e of seed s always starts from the same reset and meets the same action noise, whatever the method: results are paired.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass

import gymnasium
import numpy as np
import torch

from algos.learner import Actor
from envs.task import SuccessTiming, Task, find_task

TRAIN, EVALUATE = 0, 1  # the two families of episodes; no seed is shared between them
BLOCK = 5  # episodes that a worker gets at a time


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
            total_reward, step, success = total_reward + float(reward), step + 1, success or info["success"]
            done = terminated or truncated
            if done:
                break
    return Episode(seed, episode, success, total_reward, step)


class Evaluator:
    """Runs episodes on `workers` processes, which it keeps; 0 runs them here. Results come in the order of the episodes."""

    def __init__(self, task: Task, success_timing: SuccessTiming, workers: int):
        self._env: gymnasium.Env | None = None
        if workers:
            context = multiprocessing.get_context("spawn")  # a fork would break the threads that this process holds
            self._pool = ProcessPoolExecutor(workers, context, _start_worker, (task.name, success_timing))
        else:
            self._env = task.make_env(success_timing)

    def evaluate(self, actors: dict[int, Actor], episodes: int, stopping: Callable[[], bool] = bool) -> Iterator[Episode]:
        """`episodes` episodes of each seed's actor, seeds in order, as they are done; fewer once `stopping()` is true."""
        if self._env is not None:
            jobs = ((actor, seed, episode) for seed, actor in actors.items() for episode in range(episodes))
            yield from (rollout(self._env, *job) for job in jobs if not stopping())
            return
        blocks = [
            self._pool.submit(_run_block, actor, seed, range(first, min(first + BLOCK, episodes)))
            for seed, actor in actors.items()
            for first in range(0, episodes, BLOCK)
        ]
        try:
            for block in blocks:
                while not stopping() and wait([block], timeout=0.2).not_done:
                    pass
                if stopping():
                    return
                yield from block.result()
        finally:
            for block in blocks:
                block.cancel()

    def close(self) -> None:
        """Ends the worker processes."""
        if self._env is not None:
            self._env.close()
        else:
            self._pool.shutdown(cancel_futures=True)


_worker_env: gymnasium.Env


def _start_worker(task_name: str, success_timing: SuccessTiming) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    torch.set_num_threads(1)
    global _worker_env
    _worker_env = find_task(task_name).make_env(success_timing)


def _run_block(actor: Actor, seed: int, episodes: range) -> list[Episode]:
    return [rollout(_worker_env, actor, seed, episode) for episode in episodes]
