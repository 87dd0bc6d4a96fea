"""What carries attempts: a pool on this machine, Ray, Slurm. Each is a file; only the one that is asked for is imported."""

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from eval.sweep.attempt import Attempt, Outcome


class Handle(Protocol):
    """An attempt under way or queued, as `concurrent.futures.Future` is one."""

    def done(self) -> bool: ...

    def result(self) -> Outcome:
        """How it ended. An exception says that what carried it is gone."""
        ...


class Engine(Protocol):
    """Carries attempts. It knows nothing of claims, and tries nothing twice."""

    @property
    def slots(self) -> int:
        """How many runs it carries at once, as far as it knows."""
        ...

    @property
    def queue(self) -> int:
        """How many attempts it takes at once, waiting ones included."""
        ...

    def submit(self, attempts: Sequence[Attempt]) -> Sequence[Handle]: ...

    def wait(self, handles: Collection[Any]) -> None:
        """Until one of them may have ended, a second or so at most."""
        ...

    def drop(self, handles: Collection[Any]) -> Collection[Any]:
        """Those that it need not begin any more, as the sweep stops; the others are left to end by themselves."""
        ...

    def clock(self) -> float:
        """Its seconds."""
        ...

    def close(self) -> None: ...
