"""What a sweep is asked for: cells that tables lack, a grid, or a file of commands; and of that, what no record has yet."""

import hashlib
import json
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from functools import cache
from io import StringIO
from itertools import chain, product
from pathlib import Path
from typing import Any, NamedTuple

from tabulate import tabulate

from envs.command import in_words, nearest
from eval.config.command_line import parse
from eval.config.config import Config
from eval.results.provenance import files_of
from eval.results.record import Run
from eval.sweep.attempt import Job
from tables.build import from_records
from tables.costs import Bench
from tables.rates import Rates
from tables.spec import label_of

COMMAND = ["python", "-m", "eval.run"]


class Wanted(NamedTuple):
    """Options of `eval.run`, the seeds to run with them, and who asks."""

    options: tuple[str, ...]
    seeds: tuple[int, ...]
    part: str


def of_tables(
    names: Sequence[str], runs: Sequence[Run], benches: Sequence[Bench], preset: str, keep: dict[str, Collection[Any]]
) -> Iterator[Wanted]:
    """The gaps of tables, and of these the methods, tasks and seeds to `keep`, each where it is given."""
    for name in names:
        for gap in from_records(name, runs, benches, preset).gaps():
            seeds = tuple(seed for seed in gap.seeds if seed in (keep["seeds"] or gap.seeds))
            kept = all(not keep[key] or getattr(gap, key[:-1]) in keep[key] for key in ("methods", "tasks"))
            if seeds and kept:
                yield Wanted(bare(shlex.split(gap.command)[len(COMMAND) :]), seeds, f"table {name}")


def refuse_absent(
    names: Sequence[str], runs: Sequence[Run], benches: Sequence[Bench], preset: str, keep: dict[str, Collection[Any]]
) -> None:
    """ValueError for a method or task to `keep` that no line of the tables has."""
    results = [from_records(name, runs, benches, preset) for name in names]
    gaps = [gap for result in results for gap in result.gaps()]
    configs = [run.start["config"] for result in results for line in result.lines for cell in line.cells for run in cell.runs]
    for key, field in (("methods", "method"), ("tasks", "task")):
        there = dict.fromkeys([*(getattr(gap, field) for gap in gaps), *(config[field] for config in configs)])
        for name in keep[key]:
            if name not in there:
                hint = nearest(name, filter(None, there))
                raise ValueError(f"--{key} {name}: no line of table {' or '.join(names)} has it; {hint}")


class Recorded(NamedTuple):
    """Seeds of what is asked for that a record has."""

    label: str
    task: str
    seeds: tuple[int, ...]
    path: Path


def in_tables(
    names: Sequence[str], runs: Sequence[Run], benches: Sequence[Bench], preset: str, keep: dict[str, Collection[Any]]
) -> Iterator[Recorded]:
    """The runs that stand in tables, of the methods, tasks and seeds to `keep`."""
    lines = (line for name in names for line in from_records(name, runs, benches, preset).lines)
    for run in {id(run): run for line in lines for cell in line.cells for run in cell.runs}.values():
        found = recorded(run, keep["seeds"] or run.start["config"]["seeds"])
        kept = all(
            run.start["config"][key[:-1]] in (keep[key] or [run.start["config"][key[:-1]]]) for key in ("methods", "tasks")
        )
        if found.seeds and kept:
            yield found


def in_records(wanted: Iterable[Wanted], runs: Sequence[Run]) -> Iterator[Recorded]:
    """The finished runs that have what is asked for."""
    finished = [(name_of(run.start), run) for run in runs if run.status == "finished"]
    for options, seeds, _ in wanted:
        name = name_of(start_of(config_of(options)))
        yield from (found for other, run in finished if other == name and (found := recorded(run, seeds)).seeds)


def recorded(run: Run, seeds: Collection[int]) -> Recorded:
    config = run.start["config"]
    return Recorded(label_of(config), config["task"], tuple(seed for seed in config["seeds"] if seed in seeds), run.path)


def listed(jobs: Sequence[Job], have: Iterable[Recorded]) -> str:
    """What would run and what has a record already, a line for each method and task, or record."""
    seeds: dict[tuple[str, str], list[int]] = {}
    for job in jobs:
        seeds.setdefault((job.label, job.task), []).extend(job.seeds)
    lines = [("would run", label, task, " ".join(map(str, own)), "") for (label, task), own in seeds.items()]
    lines += [
        ("has a record", one.label, one.task, " ".join(map(str, one.seeds)), str(one.path)) for one in dict.fromkeys(have)
    ]
    return tabulate(lines, ["", "method", "task", "seeds", "record"], disable_numparse=True)


def of_grid(
    methods: Sequence[str], tasks: Sequence[str], seeds: Sequence[int], settings: Sequence[str], common: Sequence[str]
) -> Iterator[Wanted]:
    """Every method on every task with every combination of settings, `name=value,value`."""
    for method, task, chosen in product(methods, tasks, [*product(*map(values, settings))]):
        options = (*policy(method), "--task", task, *common, *chain(*chosen))
        yield Wanted(options, tuple(seeds), "grid")


def policy(method: str) -> tuple[str, ...]:
    """The options that name a method, or a learning rule and a backbone as `fql+shortcut` or `dfp+./nets.py`."""
    algo, plus, backbone = method.partition("+")
    return ("--algo", algo, "--backbone", backbone) if plus else ("--method", method)


def values(setting: str) -> list[list[str]]:
    """The options that `algo.num_elites=1,2` stands for: one a value. A value may be several words, or true or false."""
    name, equals, text = setting.partition("=")
    if not (name and equals and text):
        raise ValueError(f"--set {setting}: write name=value or name=value,value,...")
    if name in ("method", "algo", "backbone", "task", "seeds", "preset"):
        raise ValueError(f"--set {setting}: what runs on what is said by --methods, --tasks, --seeds and --preset")
    flag = name.replace("_", "-")
    switch = {"true": [f"--{flag}"], "false": [f"--no-{flag}"]}
    return [switch.get(value, [f"--{flag}", *value.split()]) for value in text.split(",")]


def of_file(path: Path) -> Iterator[Wanted]:
    """A command, or its options, on each line; `#` begins a comment."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        with named(f"{path} line {number}"):
            words = shlex.split(line, comments=True)
            options = tuple(words[len(COMMAND) :] if words[: len(COMMAND)] == COMMAND else words)
            seeds = config_of(options).seeds if options else ()
        if options:
            yield Wanted(bare(options), seeds, path.name)


@contextmanager
def named(place: str) -> Iterator[None]:
    """What is refused in here is refused by a ValueError that names the place; so is what a parser would print as it exits."""
    said = StringIO()
    try:
        with redirect_stderr(said):
            yield
    except (ValueError, OSError, ImportError) as error:
        raise ValueError(f"{place}: {in_words(error)}") from None
    except SystemExit:
        raise ValueError(f"{place}: {said.getvalue().strip().removeprefix('error: ')}") from None


def bare(words: Iterable[str]) -> tuple[str, ...]:
    """Options without seeds, and without --resume: a sweep says both itself."""
    kept, seeds = [], False
    for word in words:
        seeds = word == "--seeds" or (seeds and re.fullmatch(r"\d+(-\d+)?", word) is not None)
        if not seeds and word != "--resume":
            kept.append(word)
    return tuple(kept)


@cache
def config_of(options: tuple[str, ...]) -> Config:
    return parse([*options])[1]


def start_of(config: Config) -> dict[str, Any]:
    """Of the first line of a record that a run would leave now, what `name_of` reads."""
    return {"config": config.to_json(), "files": files_of(config)}


def name_of(start: dict[str, Any]) -> str:
    """What tells runs apart that tables tell apart, seeds aside: equal names, equal work. `start` is a record's first line."""
    config = start["config"]
    what = [config[key] for key in ("method", "task", "preset", "protocol", "changes")]
    if config.get("dataset", "own") != "own":
        what.append(config["dataset"])
    if files := start.get("files"):
        what.append(files)
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def jobs(wanted: Iterable[Wanted], runs: Iterable[Run], rates: Rates, together: int, here: str = "") -> list[Job]:
    """What is to be run, each seed once, `together` seeds a process; what a finished record has is left out.

    Hours are those of the machine `here`, or of all of its kind that were measured.
    """
    seen = {f"{name_of(r.start)}-{seed}" for r in runs if r.status == "finished" for seed in r.start["config"]["seeds"]}
    lines = [*wanted]
    changes = [[*config_of(line.options).changes.items()] for line in lines]
    shared = [item for item in changes[0] if all(item in own for own in changes)] if changes else []
    found = []
    for options, seeds, part in lines:
        config = config_of(options)
        start = start_of(config)
        plain, name, new = start["config"], name_of(start), list[int]()
        label = label_of(plain | {"changes": dict(item for item in config.changes.items() if item not in shared)})
        for seed in seeds:
            if f"{name}-{seed}" not in seen:
                seen.add(f"{name}-{seed}")
                new.append(seed)

        measured = {device: rates.hours(device, plain) for device in rates.devices()}
        machines = {device: known for device, known in measured.items() if known is not None}
        one = machines.get(here, rates.usual(not here.startswith("cpu"), plain))
        for begin in range(0, len(new), together):
            own = tuple(new[begin : begin + together])
            units, n = tuple(f"{name}-{seed}" for seed in own), len(own)
            costs = {device: n * known for device, known in machines.items()}
            expected = None if one is None else n * one
            found.append(Job(options, own, units, config.method, config.task.name, label, part, expected, costs))
    return found
