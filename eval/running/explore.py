"""Exploring: policies act in environments, a step at a time, while simulators are ahead of them by up to a chunk."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from envs.replay import Replay
from eval.config.config import Config
from eval.running.plan import Plan
from eval.running.rollout import TRAIN, action_rng, reset_seed
from eval.running.simulator import Outcome, Simulator


class Explorer:
    """One seed's environment in the online phase: executes the policy's chunks and fills the replay.

    A chunk is known when it begins, so a simulator that is `apart` steps ahead through it while updates run. An update sees a
    transition from the environment step on at which it would without this: what is computed is the same.
    It is checkpointed as the actions of the episode under way and restored by repeating them from the episode's reset.
    """

    def __init__(self, config: Config, seed: int, apart: bool = False):
        self.simulator = Simulator(config.task, config.success_timing, apart)
        self.seed = seed
        self.obs: np.ndarray | None  # what the next action answers to; None where an episode is to begin
        self.outcomes: Iterator[Outcome]  # of the chunk under way
        self.taken: list[np.ndarray]  # actions since the reset
        self.planned: list[np.ndarray]  # the rest of the chunk under way
        self._leave_for(0)

    def reset(self) -> Iterator[np.ndarray]:
        """Begins the episode; its first observation, once it is there."""
        return self.simulator.reset(reset_seed(TRAIN, self.seed, self.episode))

    def asks(self) -> tuple[np.ndarray, np.random.Generator]:
        """What the next policy call answers to, and its noise."""
        assert self.obs is not None
        return self.obs, action_rng(TRAIN, self.seed, self.episode, len(self.taken))

    def follow(self, chunk: Iterable[np.ndarray]) -> None:
        """Begins these actions."""
        self.planned = list(chunk)
        self.outcomes = self.simulator.outcomes(list(self.planned))

    def take(self, outcome: Outcome, replay: Replay, index: int) -> None:
        """The next step, which came to this; its transition goes to the replay of the seed with this index."""
        obs, reward, terminated, truncated = outcome
        action = self.planned.pop(0)
        replay.add(index, self.obs, action, reward, 0.0 if terminated else 1.0)
        self.obs = obs
        self.taken.append(action)
        if terminated or truncated:
            replay.finish(index, obs)
            self._leave_for(self.episode + 1)

    def state_dict(self) -> dict[str, Any]:
        def tensor(actions: list[np.ndarray]) -> torch.Tensor:
            return torch.from_numpy(np.stack(actions)) if actions else torch.empty(0)

        return {"episode": self.episode, "taken": tensor(self.taken), "planned": tensor(self.planned)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._leave_for(state["episode"])
        self.obs = next(self.reset())
        self.taken = list(state["taken"].numpy())
        outcomes = self.simulator.outcomes(self.taken)
        for _ in self.taken:
            self.obs = next(outcomes).obs
        self.follow(state["planned"].numpy())

    def _leave_for(self, episode: int) -> None:
        self.episode, self.obs = episode, None
        self.taken, self.planned = [], []


def explore(explorers: Sequence[Explorer], plan: Plan, replay: Replay) -> None:
    """One environment step of every seed, side by side. Where one of them fails, no seed has taken it."""
    resets = [(explorer, explorer.reset()) for explorer in explorers if explorer.obs is None]
    for explorer, first in resets:
        explorer.obs = next(first)
    idle = {index: explorer for index, explorer in enumerate(explorers) if not explorer.planned}
    if idle:
        for index, chunk in plan({index: explorer.asks() for index, explorer in idle.items()}).items():
            idle[index].follow(chunk)
    outcomes = [next(explorer.outcomes) for explorer in explorers]
    for index, (explorer, outcome) in enumerate(zip(explorers, outcomes, strict=True)):
        explorer.take(outcome, replay, index)
