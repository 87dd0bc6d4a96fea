"""Hours that runs take: as finished ones took, scaled by their steps, or from timed updates. What nobody measured is None."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from eval.config.presets import PRESETS
from eval.results.record import Run
from tables import published
from tables.costs import Bench, update_ms, updates_ms

Asked = Mapping[str, Any]
"""A run's configuration; or only its method, task, preset and protocol, of one that is as the preset has it."""
SIZES = {
    *("width", "depth", "batch_size", "num_critics", "num_generated", "num_candidates"),
    *("best_of", "target_best_of", "updates_per_step"),
}
"""What makes a step longer, also of the critic (`critic_width`)."""
SHORTEST = 0.1  # of the steps wanted: how a shorter run begins and ends is too much of it to be scaled
PROBE = "probe-"  # tasks that take no time to simulate


class Took(NamedTuple):
    """What one seed of a finished run took, and where."""

    task: str
    steps: int
    hours: float
    device: str
    changed: bool  # whether it has other steps than its preset
    resized: bool  # whether its steps are larger or smaller ones


class Rates:
    """What is known from records of runs and of `eval.bench`."""

    def __init__(self, runs: Iterable[Run], benches: Sequence[Bench]):
        self.benches = benches
        self.took: dict[tuple[str, str, str], list[Took]] = defaultdict(list)
        for run in runs:
            if run.status == "finished" and run.seconds and "offline_from" not in run.start:  # else of one phase alone
                config = run.start["config"]
                hours, device = run.seconds / len(config["seeds"]) / 3600, str(run.start.get("device"))
                names = {name.rpartition(".")[2].removeprefix("critic_") for name in config["changes"]}
                changed, resized = (not names.isdisjoint(those) for those in (("offline_steps", "online_steps"), SIZES))
                one = Took(config["task"], steps(config), hours, device, changed, resized)
                self.took[config["method"], config["preset"], config["protocol"]].append(one)

    def devices(self) -> list[str]:
        """Where runs or updates were timed."""
        runs = {one.device for took in self.took.values() for one in took}
        return sorted(runs | {str(bench["device"]) for bench in self.benches})

    def usual(self, gpu: bool, asked: Asked) -> float | None:
        """`hours`, the median over GPUs, or over processors; of runs where there are any, else of updates alone."""
        ran = {one.device for one in self.alike(asked)}
        own = [device for device in self.devices() if device.startswith("cpu") != gpu]
        own = [device for device in own if device in ran] or own
        known = [found for device in own if (found := self.hours(device, asked)) is not None]
        return statistics.median(known) if known else None

    def hours(self, device: str, asked: Asked) -> float | None:
        """Of one seed on a device: the median of runs of its method, on its task if there are any, scaled by its steps where
        they are given; else its updates alone, with the steps of Table 5 where none are given."""
        alike = [one for one in self.alike(asked) if one.device == device]
        on_task = [one for one in alike if one.task == asked["task"]]
        scaled = [one.hours * (steps(asked) / one.steps if steps(asked) and one.steps else 1) for one in on_task or alike]
        return statistics.median(scaled) if scaled else self.updates(device, asked)

    def alike(self, asked: Asked) -> list[Took]:
        """Runs of a method that tell of one on a task: of a probe only where the task is one. Where steps are given they are
        not much shorter, and of other sizes only where there are no others; else both are the preset's."""
        took = self.took[asked["method"], asked["preset"], asked["protocol"]]
        own = [one for one in took if asked["task"].startswith(PROBE) or not one.task.startswith(PROBE)]
        sized = [one for one in own if not one.resized]
        if not steps(asked):
            return [one for one in sized if not one.changed]
        return [one for one in sized or own if one.steps >= SHORTEST * steps(asked)]

    def updates(self, device: str, asked: Asked) -> float | None:
        """The updates of one seed; None for a method that was not timed."""
        method, preset = asked["method"], asked["preset"]
        benches = [bench for bench in self.benches if bench["device"] == device]
        online = update_ms(benches, method, preset, "online")
        offline = online if asked["protocol"] == "offline" else update_ms(benches, method, preset, "offline")  # elites, too
        config = asked if steps(asked) else of_table_5(preset, asked["protocol"])
        if not online or not offline or not config:
            return None
        return updates_ms({"offline": offline[0], "online": online[0]}, config, "online", config["online_steps"]) / 3.6e6


def steps(asked: Asked) -> int:
    """Of both phases; 0 where they are not said."""
    return asked.get("offline_steps", 0) + asked.get("online_steps", 0)


def of_table_5(preset: str, protocol: str) -> Asked | None:
    """The steps of a preset that are those of Table 5, or fewer online; None where it has others offline, by task."""
    table_5, own = published.table_5(), PRESETS[preset].values
    if "offline_steps" in own:
        return None
    online = 0 if protocol == "offline" else own.get("online_steps", table_5["online_steps"])
    return {"offline_steps": int(table_5["offline_steps"]), "online_steps": int(online)}
