"""Exploring: the policy acts in an environment, a step at a time, while a simulator is ahead of it by up to a chunk."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from envs.replay import Replay
from eval.config.config import Config
from eval.running.rollout import TRAIN, action_rng, reset_seed
from eval.running.simulator import Outcome, Simulator
from eval.running.threads import one_thread

Behaviour = Callable[[np.ndarray, Sequence[np.random.Generator]], np.ndarray]  # an actor, or what acts in its place


def random_actions(action_dim: int) -> Behaviour:
    """Uniform actions, one a call: for each generator a chunk [1, action_dim]."""
    return lambda obs, rngs: np.stack([rng.uniform(-1, 1, (1, action_dim)).astype(np.float32) for rng in rngs])


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
        self.outcome: Outcome | None  # of the next step, where that has been simulated
        self.taken: list[np.ndarray]  # actions since the reset
        self.planned: list[np.ndarray]  # the rest of the chunk under way
        self._leave_for(0)

    def simulate(self, behaviour: Behaviour) -> None:
        """Simulates the next step, and takes none: where this fails, all is as it was after the last one."""
        if self.outcome is None:
            if self.obs is None:
                self.obs = self._reset()
            if not self.planned:
                rng = action_rng(TRAIN, self.seed, self.episode, len(self.taken))
                with one_thread():
                    self._plan(list(behaviour(self.obs[None], [rng])[0]))
            self.outcome = next(self.outcomes)

    def step(self, behaviour: Behaviour, replay: Replay, index: int) -> None:
        """One environment step; its transition goes to the replay of the seed with this index."""
        self.simulate(behaviour)
        assert self.outcome is not None
        obs, reward, terminated, truncated = self.outcome
        action = self.planned.pop(0)
        replay.add(index, self.obs, action, reward, 0.0 if terminated else 1.0)
        self.obs, self.outcome = obs, None
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
        self.obs = self._reset()
        self.taken = list(state["taken"].numpy())
        outcomes = self.simulator.outcomes(self.taken)
        for _ in self.taken:
            self.obs = next(outcomes).obs
        self._plan(list(state["planned"].numpy()))

    def _plan(self, actions: list[np.ndarray]) -> None:
        self.planned, self.outcomes = actions, self.simulator.outcomes(list(actions))

    def _leave_for(self, episode: int) -> None:
        self.episode, self.obs, self.outcome = episode, None, None
        self.taken, self.planned = [], []

    def _reset(self) -> np.ndarray:
        return self.simulator.reset(reset_seed(TRAIN, self.seed, self.episode))
