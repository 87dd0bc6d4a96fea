"""Simulators: an environment here, or one in a process of its own that steps through a chunk while this process computes."""

import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NamedTuple

import gymnasium
import numpy as np

from envs.task import SuccessTiming, Task, find_task


class Outcome(NamedTuple):
    """What one environment step came to."""

    obs: np.ndarray
    reward: float
    terminated: bool
    truncated: bool


def execute(env: gymnasium.Env, actions: Iterable[np.ndarray]) -> Iterator[Outcome]:
    """The outcome of each action in turn, up to the end of the episode."""
    for action in actions:
        obs, reward, terminated, truncated, _ = env.step(action)
        yield Outcome(obs, float(reward), bool(terminated), bool(truncated))
        if terminated or truncated:
            return


class Simulator:
    """One environment; `apart` runs it in a process of its own, with the same outcomes, there when they are asked for."""

    def __init__(self, task: Task, success_timing: SuccessTiming, apart: bool):
        self._env = None if apart else task.make_env(success_timing)
        if apart:
            context = multiprocessing.get_context("spawn")  # a fork would break the threads that this process holds
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=serve, args=(theirs, task.name, success_timing), daemon=True)
            self._process.start()
            theirs.close()  # so that a simulator that died is an end of file here

    def reset(self, seed: int) -> np.ndarray:
        """The first observation of a new episode."""
        if self._env is not None:
            return self._env.reset(seed=seed)[0]
        self._pipe.send(seed)
        return self._pipe.recv()

    def execute(self, actions: list[np.ndarray]) -> Iterator[Outcome]:
        """The outcome of each action in turn, up to the end of the episode; all must be taken before the next call."""
        if self._env is not None:
            return execute(self._env, actions)
        self._pipe.send(actions)
        return iter(self._pipe.recv, None)

    def close(self) -> None:
        if self._env is not None:
            self._env.close()
        else:
            self._process.terminate()
            self._process.join()


def serve(pipe: Connection, task_name: str, success_timing: SuccessTiming) -> None:
    """What a simulator's own process does: a number is a seed to reset to, a list is actions to execute."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    env = find_task(task_name).make_env(success_timing)
    with suppress(EOFError, BrokenPipeError):  # the parent is gone
        while True:
            order = pipe.recv()
            if isinstance(order, int):
                pipe.send(env.reset(seed=order)[0])
            else:
                for outcome in execute(env, order):
                    pipe.send(outcome)
