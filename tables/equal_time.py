"""Runs as they stood when the first of them had trained to its end: what methods are worth at equal time."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from eval.results.record import Run, score
from tables.spec import Row, belongs


def at_equal_time(runs: Sequence[Run], rows: Sequence[Row]) -> list[Run]:
    """The runs of these rows that can be compared by their clocks, each as it stood when the first had trained to its end.

    Those are finished runs of one task, on one kind of device, with as many seeds in a process; the clock of training stands
    still while a policy is evaluated. A task and device that does not have runs of all rows is left out.
    """
    groups: dict[tuple[str, str, int], list[tuple[str, Run]]] = defaultdict(list)
    for run in runs:
        config = run.start["config"]
        if run.clock and run.status == "finished":
            place = config["task"], run.start["device"], len(config["seeds"])
            groups[place] += [(row.label, run) for row in rows if belongs(config, row)]
    comparable = [group for group in groups.values() if {label for label, _ in group} == {row.label for row in rows}]
    return [until(run, min(max(one.clock.values()) for _, one in group)) for group in comparable for _, run in group]


def until(run: Run, seconds: float) -> Run:
    """A run that ends after so many seconds of training: its last score lies between those of the evaluations before and
    after, in proportion to time."""
    kept = [line for line in run.evaluations if run.clock[line["phase"], line["step"]] <= seconds]
    for seed in run.start["config"]["seeds"]:
        for before, after in pairwise(line for line in run.evaluations if line["seed"] == seed):
            begun, ended = (run.clock[line["phase"], line["step"]] for line in (before, after))
            if begun < seconds < ended:
                share = (seconds - begun) / (ended - begun)
                kept.append(after | {"score": [(1 - share) * score(before) + share * score(after)]})
    return replace(run, evaluations=kept)
