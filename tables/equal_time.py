"""Runs of a slower method, cut where their updates have taken as long as a whole run of another's.

Times are those of one record of `eval.bench`, which measures methods in turn; a run's clock is of a machine with other work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from eval.results.record import PHASES, Run
from tables.costs import Bench, fullest, update_ms

Times = Mapping[str, float]  # of an update, in milliseconds, by phase


def update_times(method: str, preset: str, benches: Sequence[Bench]) -> Times | None:
    """What an update of a method takes by the preset's fullest benchmark; None where it was not timed in both phases."""
    found = {phase: update_ms(fullest(benches, preset), method, preset, phase) for phase in PHASES}
    times = {phase: measured[0] for phase, measured in found.items() if measured}
    return times if len(times) == len(PHASES) else None


def until_as_long(runs: Sequence[Run], slower: str, own: Times, other: Times) -> list[Run]:
    """All runs; those of the method `slower` end with the first evaluation for which its updates have taken as long as the
    other's whole run of the same steps, or with their last one. What that evaluation has more than equal time favours it."""
    return [cut(run, own, other) if run.start["config"]["method"] == slower else run for run in runs]


def cut(run: Run, own: Times, other: Times) -> Run:
    config = run.start["config"]
    enough = took(other, config, "online", config["online_steps"])

    def before(phase: str, step: int) -> bool:
        return took(own, config, phase, step) < enough

    steps = {(e["phase"], e["step"]) for e in run.evaluations}
    after = sorted((step for step in steps if not before(*step)), key=lambda step: (PHASES.index(step[0]), step[1]))
    return replace(run, evaluations=[e for e in run.evaluations if (e["phase"], e["step"]) not in after[1:]])


def took(times: Times, config: Mapping[str, Any], phase: str, step: int) -> float:
    """Milliseconds of the updates up to a step."""
    if phase == "offline":
        return times["offline"] * step
    online = max(step - config["online_warmup"], 0) * config.get("updates_per_step", 1)
    return times["offline"] * config["offline_steps"] + times["online"] * online
