"""Episodes scripted by several processes: in order, whatever their number, each process with an environment of its own."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from envs.workers import Pool

Episode = TypeVar("Episode")


class _Worker:
    """What a process keeps between episodes. Its first one makes the environment: what fails there is said as it is."""

    make: Callable[..., Any]
    arguments: tuple[Any, ...]
    env: Any = None

    @classmethod
    def start(cls, make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        cls.make, cls.arguments = staticmethod(make), arguments

    @classmethod
    def script(cls, script: Callable[..., Episode], job: tuple[Any, ...]) -> Episode:
        cls.env = cls.env or cls.make(*cls.arguments)
        return script(cls.env, *job)


def scripted(
    make: Callable[..., Any],
    arguments: tuple[Any, ...],
    script: Callable[..., Episode],
    jobs: Iterable[tuple[Any, ...]],
    workers: int,
) -> Generator[Episode, None, None]:
    """`script(env, *job)` for each job in order, a few ahead, in `workers` processes with an `env = make(*arguments)` each."""
    pool = Pool(workers, _Worker.start, make, arguments)
    left = iter(jobs)
    try:
        with one_thread_each(), pool.watched():
            ahead = deque(pool.submit(_Worker.script, script, job) for job in islice(left, 2 * workers))
            while ahead:
                yield ahead.popleft().result()
                ahead.extend(pool.submit(_Worker.script, script, job) for job in islice(left, 1))
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes started in here use one thread for linear algebra: theirs is on 6 x 6 matrices."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    saved = {name: os.environ[name] for name in names if name in os.environ}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]
        os.environ.update(saved)
