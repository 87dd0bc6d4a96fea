"""Simulators: an environment here, or one in a process of its own that steps through a chunk while this process computes."""

import multiprocessing
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from envs.outside import Fault
from envs.task import SuccessTiming, Task, find_task
from envs.workers import Lost, Worker, follow_parent


class Outcome(NamedTuple):
    """What one environment step came to."""

    obs: np.ndarray
    reward: float
    terminated: bool
    truncated: bool


def outcomes(env: gymnasium.Env, actions: Iterable[np.ndarray]) -> Iterator[Outcome]:
    """The outcome of each action in turn, up to the end of the episode."""
    for action in actions:
        obs, reward, terminated, truncated, _ = env.step(action)
        yield Outcome(obs, float(reward), bool(terminated), bool(truncated))
        if terminated or truncated:
            return


class Simulator:
    """One environment; `apart` runs it in a process of its own, with the same outcomes, there when they are asked for.

    Lost when that process ends before it is told to.
    """

    def __init__(self, task: Task, success_timing: SuccessTiming, apart: bool):
        self._env = None if apart else task.make_env(success_timing)
        if apart:
            self._pipe, theirs = multiprocessing.Pipe()
            self._process = Worker(target=serve, args=(theirs, task.name, success_timing), daemon=True)
            self._process.start()
            theirs.close()  # so that a simulator that died is an end of file here

    def reset(self, seed: int) -> Iterator[np.ndarray]:
        """The first observation of a new episode; it must be taken before the next call."""
        if self._env is not None:
            return iter([self._env.reset(seed=seed)[0]])
        return self._answers(seed)

    def outcomes(self, actions: list[np.ndarray]) -> Iterator[Outcome]:
        """The outcome of each action in turn, up to the end of the episode; all must be taken before the next call."""
        if self._env is not None:
            return outcomes(self._env, actions)
        return self._answers(actions)

    def close(self) -> None:
        if self._env is not None:
            self._env.close()
        else:
            self._process.terminate()
            self._process.join()

    def _answers(self, order: Any) -> Iterator[Any]:
        """What the process answers, there when it is asked for; the order is given at once."""
        with self._watched():
            self._pipe.send(order)
        return self._received()

    def _received(self) -> Iterator[Any]:
        with self._watched():
            while True:
                answer = self._pipe.recv()
                if isinstance(answer, Exception):  # the environment's own, whose place in its file stands above
                    raise answer
                yield answer

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, ConnectionError):
            self._process.join()
            raise Lost(f"a simulator's process {self._process.death() or 'has ended'}") from None


def serve(pipe: Connection, task_name: str, success_timing: SuccessTiming) -> None:
    """What a simulator's own process does: a number is a seed to reset to, a list is actions to execute."""
    follow_parent()
    env = find_task(task_name).make_env(success_timing)
    with suppress(EOFError, BrokenPipeError):  # the parent is gone
        while True:
            order = pipe.recv()
            try:
                for answer in [env.reset(seed=order)[0]] if isinstance(order, int) else outcomes(env, order):
                    pipe.send(answer)
            except Fault as fault:  # says all by itself
                pipe.send(fault)
            except Exception as error:
                pipe.send(error)
                raise
