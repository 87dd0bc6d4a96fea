"""Jobs on a probe, small enough that starting them takes longer than they do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.sweep import wanted
from eval.sweep.attempt import Attempt, Job, Outcome
from eval.sweep.drive import Sweep
from eval.sweep.engines.local import Local
from tables.rates import Rates
from tests.eval.sweep.simulate import Silent

SETTINGS = """offline_steps=12 online_steps=8 online_warmup=2 eval_every=4 eval_episodes=3 log_every=2 backbone.width=16
    backbone.depth=1 algo.batch_size=16 algo.horizon=2""".split()
PINNED = {"OMP_NUM_THREADS": "1"}


@pytest.fixture
def settings() -> list[str]:
    """What makes a run tiny, as --set takes it."""
    return SETTINGS


@pytest.fixture
def probes() -> Callable[..., list[Job]]:
    """Jobs of one seed each, of DFP on probe-chain; further settings come after the usual ones."""

    def make(seeds: int, *settings: str, together: int = 1) -> list[Job]:
        lines = wanted.of_grid(["dfp"], ["probe-chain"], range(seeds), [*SETTINGS, *settings], [])
        return wanted.jobs(lines, [], Rates([], []), together)

    return make


class Told(Silent):
    """A screen that remembers."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, Outcome, bool]] = []

    def ended(self, job: Job, outcome: Outcome, again: bool) -> None:
        self.outcomes.append((str(job), outcome, again))


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., Any]:
    """A sweep over jobs, with records in the test's folder, and on two slots of this machine unless an engine is given."""

    def make(jobs: list[Job], engine: Any = None, retries: int = 3, name: str = "one", **options: Any) -> Sweep:
        def attempt(job: Job) -> Attempt:
            return Attempt(job, tmp_path, name, ("--workers", "0"), PINNED, **options)

        return Sweep(jobs, engine or Local([{}, {}]), attempt, retries, Told())

    return make
