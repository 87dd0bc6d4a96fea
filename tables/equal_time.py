"""A method at the time at which a whole run of another has ended, by the time that their updates take.

Times are those of one record of `eval.bench`, which measures methods in turn; a run's clock is of a machine with other work.
"""

from collections.abc import Sequence
from dataclasses import replace

from eval.results.record import PHASES, Run
from tables.costs import Bench, Times, fullest, update_ms, updates_ms

Moment = tuple[str, int]  # a phase and a step of it


def update_times(method: str, preset: str, benches: Sequence[Bench]) -> Times | None:
    """What an update of a method takes by the preset's fullest benchmark; None where it was not timed in both phases."""
    found = {phase: update_ms(fullest(benches, preset), method, preset, phase) for phase in PHASES}
    times = {phase: measured[0] for phase, measured in found.items() if measured}
    return times if len(times) == len(PHASES) else None


def at_equal_time(run: Run, own: Times, other: Times) -> Run:
    """The run as if its online phase ended with the evaluation that is made when a run of the other method has ended."""
    moment, end = moment_of(run, own, other), {"phase": "online", "step": run.start["config"]["online_steps"]}
    offline = [e for e in run.evaluations if e["phase"] == "offline"]
    return replace(run, evaluations=offline + [e | end for e in run.evaluations if (e["phase"], e["step"]) == moment])


def moment_of(run: Run, own: Times, other: Times) -> Moment:
    """When that evaluation is made: the run's first for which its updates have taken as long as all of the other's, in a run of
    as many steps; else its last."""
    moments = list(dict.fromkeys((e["phase"], e["step"]) for e in run.evaluations))
    return next((moment for moment in moments if share(run, own, other, moment) >= 1), moments[-1])


def share(run: Run, own: Times, other: Times, moment: Moment) -> float:
    """The time of the run's updates up to there, as a share of that of a whole run of the other method."""
    config = run.start["config"]
    return updates_ms(own, config, *moment) / updates_ms(other, config, "online", config["online_steps"])
