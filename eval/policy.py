"""A trained policy to use:

    from eval.policy import load

    policy = load("runs")
    env = policy.task.make_env()
    for seed in range(5):
        obs, _ = env.reset(seed=seed)
        policy.reset()  # else it goes on with the chunk of actions that the last episode cut short
        over = False
        while not over:
            obs, reward, terminated, truncated, info = env.step(policy(obs))
            over = terminated or truncated
        print(info["success"])

On one kind of processor its actions are those of the recorded evaluation, to the bit, given the same noise.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from algos.learner import Actor
from envs.task import Task
from eval.config.config import Config
from eval.results.policy import About, Step, find, read_actor
from eval.running.rollout import act


class Policy:
    """One seed's policy. `about` says where it comes from: the record's first line, seed, phase, step, recorded episodes."""

    def __init__(self, about: About, config: Config, actor: Actor):
        self.about, self.config, self.actor = about, config, actor
        self.rng = np.random.default_rng(0)
        self._planned: list[np.ndarray] = []  # the rest of the chunk under way

    def __repr__(self) -> str:
        about = self.about
        return f"<policy {self.config.method} on {self.task.name}, seed {about.seed}, {about.phase} step {about.step}>"

    @property
    def task(self) -> Task:
        """What it was trained to solve; `policy.task.make_env()` is the environment."""
        return self.config.task

    def __call__(self, obs: ArrayLike, rng: np.random.Generator | None = None) -> np.ndarray:
        """The action to take now: obs [obs_dim] to [action_dim], or [n, obs_dim] to [n, action_dim], in [-1, 1], float32.

        A chunk of H actions is chosen at the first call and taken open loop; the n rows keep in step. `rng` gives the noise
        where a chunk begins, instead of the policy's own generator. ValueError for another shape and for numbers that are not
        finite.
        """
        if not self._planned:
            self._planned = list(np.moveaxis(self.chunk(obs, rng), -2, 0))
        action = self._planned[0]
        if self._rows(obs).shape[:-1] != action.shape[:-1]:
            raise ValueError(f"obs has shape {list(np.shape(obs))}, the chunk under way is of others; reset() ends it")
        return self._planned.pop(0)

    def chunk(self, obs: ArrayLike, rng: np.random.Generator | None = None) -> np.ndarray:
        """A whole chunk: obs [obs_dim] to [H, action_dim], or [n, obs_dim] to [n, H, action_dim], in [-1, 1], float32.

        It is the best by the critic of as many candidates as in evaluation; `rng` gives their noise, row by row. The chunk
        under way stays as it is.
        """
        rows = self._rows(obs)
        many = np.atleast_2d(rows)
        chunks = act(self.actor, many, [self.rng if rng is None else rng] * len(many))
        return chunks if rows.ndim > 1 else chunks[0]

    def reset(self) -> None:
        """Forget the chunk under way: a new episode begins."""
        self._planned = []

    def _rows(self, obs: ArrayLike) -> np.ndarray:
        rows = np.asarray(obs, np.float32)
        if rows.ndim not in (1, 2) or rows.shape[-1] != self.task.obs_dim or not rows.size:
            raise ValueError(f"obs has shape {list(rows.shape)}, needed is [{self.task.obs_dim}] or [n, {self.task.obs_dim}]")
        if not np.isfinite(rows).all():
            at = [int(place) for place in np.argwhere(~np.isfinite(rows))[0]]
            raise ValueError(f"obs{at} is {rows[*at]}; a finite number is needed")
        return rows


def load(where: str | Path, phase: str | None = None, seed: int | None = None, step: Step = "last", **changes: Any) -> Policy:
    """A kept policy: `where` is a run's folder, a folder of runs (its newest) or a policy file.

    Without `phase` it is the last one, without `seed` the first of the run's; `step` may also be "best", by the recorded
    success rate. `changes` are options of the algorithm in acting, such as `best_of=32`, or how it acts, such as `act="qgbs"`.
    ValueError in one line for what is not there, is damaged, or of another version.
    """
    about = find(Path(where), phase, seed, step)[0]
    return Policy(about, *read_actor(about, **changes))
