"""What a sweep costs, before it begins: hours by part and by machine, and how long that takes side by side."""

import heapq
from collections.abc import Iterable, Sequence
from statistics import fmean

from tabulate import tabulate

from eval.sweep.attempt import Job

SIDE_BY_SIDE = (1, 8, 64)


def makespan(hours: Iterable[float], slots: int) -> float:
    """Until the last of these runs has ended, each begun as soon as a slot is free."""
    ends = [0.0] * slots
    for one in hours:
        heapq.heapreplace(ends, ends[0] + one)
    return max(ends)


def mean_hours(jobs: Iterable[Job]) -> float:
    """Of a run of one seed, over those of which it is known: what is expected of the others."""
    return fmean([job.hours / len(job.seeds) for job in jobs if job.hours is not None] or [0.0])


def costs(jobs: Sequence[Job], slots: int) -> str:
    """The sweep's parts and their sum, then the sum on each machine that has been measured."""
    at_once = sorted({*SIDE_BY_SIDE, slots})
    parts: dict[str, list[Job]] = {}
    for job in jobs:
        parts.setdefault(job.part, []).append(job)
    if len(parts) > 1:
        parts["all"] = [*jobs]
    lines = [line(part, own, [job.hours for job in own], at_once) for part, own in parts.items()]
    machines = sorted({machine for job in jobs for machine in job.machines})
    lines += [line(f"at the rates of {m}", jobs, [job.machines.get(m) for job in jobs], at_once) for m in machines]
    return tabulate(
        lines, ["", "runs", "of unknown cost", "time in all", *(f"{n} at once" for n in at_once)], disable_numparse=True
    )


def line(name: str, jobs: Sequence[Job], hours: Sequence[float | None], at_once: Sequence[int]) -> list[str]:
    known = [one for one in hours if one is not None]
    unknown = sum(len(job.seeds) for job, one in zip(jobs, hours, strict=True) if one is None)
    numbers = [sum(known), *(makespan(known, n) for n in at_once)] if known else []
    words = [span(number) for number in numbers] or ["?"] * (1 + len(at_once))
    return [name, f"{sum(len(job.seeds) for job in jobs):,}", f"{unknown:,}" if unknown else "", *words]


def span(hours: float) -> str:
    """A time in the unit that suits it."""
    return f"{hours:,.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"
