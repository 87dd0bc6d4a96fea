"""Rollouts: whole episodes of a policy, spread over worker processes, the same outcome however many there are.

Episode e of seed s always starts from the same reset and meets the same action noise, whatever the method: results are paired.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import gymnasium
import numpy as np

from envs.task import SuccessTiming, Task, find_task
from envs.workers import Pool
from eval.running.threads import one_thread

TRAIN, EVALUATE = 0, 1  # the two families of episodes; no seed is shared between them
LIVE = 5  # episodes that a worker runs side by side, one policy call a chunk for all of them

Result = TypeVar("Result")
Acting = Callable[[np.ndarray, Sequence[np.random.Generator]], np.ndarray]
"""An `Actor`, or what is called as one: the next chunk for each observation, row i's noise from generator i."""


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


def outcomes(task: Task, episodes: Sequence[Episode]) -> dict[str, list[float]]:
    """What a record keeps of one seed's episodes."""
    lists: dict[str, list[float]] = {
        "success": [int(e.success) for e in episodes],
        "return": [round(e.total_reward, 6) for e in episodes],
        "length": [e.length for e in episodes],
    }
    scores = [task.scored(e.total_reward) for e in episodes]
    counted = [round(x, 6) for x in scores if x is not None]
    return lists | {"score": counted} if counted else lists


class Rollout:
    """One evaluation episode under way."""

    def __init__(self, env: gymnasium.Env, seed: int, episode: int):
        self.env, self.seed, self.episode = env, seed, episode
        self.obs, _ = env.reset(seed=reset_seed(EVALUATE, seed, episode))
        self.total_reward, self.success, self.done = 0.0, False, False
        self.rewards: list[float] = []

    @property
    def length(self) -> int:
        return len(self.rewards)

    def rng(self) -> np.random.Generator:
        """The noise of the next policy call."""
        return action_rng(EVALUATE, self.seed, self.episode, self.length)

    def follow(self, chunk: np.ndarray) -> None:
        """A chunk's actions open loop, up to the end of the episode."""
        for action in chunk:
            if self.done:
                return
            self.obs, reward, terminated, truncated, info = self.env.step(action)
            self.rewards.append(float(reward))
            self.total_reward += float(reward)
            self.success, self.done = self.success or info["success"], terminated or truncated

    def outcome(self) -> Episode:
        return Episode(self.seed, self.episode, self.success, self.total_reward, self.length)


def act(actor: Acting, obs: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """The next chunk for each observation, as an actor's call gives it, LIVE rows a call, the missing ones made up.

    Products of one shape round every row alike, so a chunk comes out to the bit whatever else is asked.
    """
    spare = -len(obs) % LIVE
    rows, noises = np.concatenate([obs, obs[:1].repeat(spare, 0)]), [*rngs, *[np.random.default_rng(0)] * spare]
    with one_thread():
        calls = [actor(rows[i : i + LIVE], noises[i : i + LIVE]) for i in range(0, len(rows), LIVE)]
    return np.concatenate(calls)[: len(obs)]


def rollouts(envs: Sequence[gymnasium.Env], actor: Acting, seed: int, episodes: Iterable[int]) -> list[Episode]:
    """Evaluation episodes side by side, an environment each, one policy call a chunk for all: as each comes out alone."""
    running = [Rollout(env, seed, episode) for env, episode in zip(envs, episodes, strict=True)]
    finish(running, actor)
    return [rollout.outcome() for rollout in running]


def finish(running: Sequence[Rollout], actor: Acting) -> None:
    """The policy acts until all episodes have ended."""
    while not all(rollout.done for rollout in running):
        chunks = act(actor, np.stack([rollout.obs for rollout in running]), [rollout.rng() for rollout in running])
        for rollout, chunk in zip(running, chunks, strict=True):
            rollout.follow(chunk)


def blocks(actors: Mapping[int, Acting], episodes: int, first: int = 0) -> list[tuple[Acting, int, range]]:
    """What `Arena.run` does at a time: a few episodes of one seed's actor, of `episodes` from number `first` on."""
    begins, end = range(first, first + episodes, LIVE), first + episodes
    return [(actor, seed, range(begin, min(begin + LIVE, end))) for seed, actor in actors.items() for begin in begins]


class Arena:
    """The environments of one process, made when they are first needed."""

    def __init__(self, task_name: str, success_timing: SuccessTiming):
        self.task, self.success_timing = find_task(task_name), success_timing
        self.envs: list[gymnasium.Env] = []

    def environments(self, count: int) -> list[gymnasium.Env]:
        """The first `count`."""
        while len(self.envs) < count:
            self.envs.append(self.task.make_env(self.success_timing))
        return self.envs[:count]

    def run(self, actor: Acting, seed: int, episodes: range) -> list[Episode]:
        return rollouts(self.environments(len(episodes)), actor, seed, episodes)

    def close(self) -> None:
        for env in self.envs:
            env.close()


class Evaluator:
    """Runs episodes on `workers` processes, which it keeps; 0 runs them here. Results come in the order of the episodes."""

    def __init__(self, task: Task, success_timing: SuccessTiming, workers: int):
        self._arena = None if workers else Arena(task.name, success_timing)
        if workers:
            self._pool = Pool(workers, _start_worker, task.name, success_timing)

    def evaluate(self, actors: Mapping[int, Acting], episodes: int, first: int = 0) -> Iterator[Episode]:
        """`episodes` episodes of each seed's actor from number `first` on, seeds in order, as they are done."""
        yield from chain.from_iterable(self.each(Arena.run, blocks(actors, episodes, first)))

    def each(
        self, work: Callable[..., Result], jobs: Sequence[tuple[Any, ...]], stopping: Callable[[], bool] = bool
    ) -> Iterator[Result]:
        """`work(arena, *job)` for every job, in order, as they are done; fewer once `stopping()` is true.

        `work` is a function of a module, which other processes find by its name. Lost when a process ends that was not told to.
        """
        if self._arena is not None:
            for job in jobs:
                if stopping():
                    return
                yield work(self._arena, *job)
            return
        submitted: list[Future] = []
        try:
            with self._pool.watched():
                submitted += [self._pool.submit(_work, work, *job) for job in jobs]
                for future in submitted:
                    while not stopping() and wait([future], timeout=0.2).not_done:
                        pass
                    if stopping():
                        return
                    yield future.result()
        finally:
            for future in submitted:
                future.cancel()

    def close(self) -> None:
        """Ends the worker processes."""
        if self._arena is None:
            self._pool.shutdown(cancel_futures=True)
        else:
            self._arena.close()


_worker_arena: Arena


def _start_worker(task_name: str, success_timing: SuccessTiming) -> None:
    global _worker_arena
    _worker_arena = Arena(task_name, success_timing)


def _work(work: Callable[..., Any], *job: Any) -> Any:
    return work(_worker_arena, *job)
