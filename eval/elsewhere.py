"""Evaluate a policy that was not trained here: `python -m eval.elsewhere ./mine.py:act --task cube-single-task2 --seeds 0 1 2`.

`act(obs, rng)` takes an observation [obs_dim], float32, and a generator for its noise, and returns an action [action_dim] in
[-1, 1], or a chunk of them [H, action_dim], which are executed in a row. Of a class each process makes an instance for each
seed, `Mine(seed)`, which is called so. It may not remember what it saw, since episodes run side by side, and all noise comes
from `rng`, so that results do not depend on the number of processes.

The episodes are those of the suite's own policies: the same resets, time limit and timing of success. They leave a record,
which tables take: `python -m tables small --with RECORD` gives it a row and its difference to DFP. On a task of your own
`--dataset FILE` says from which data it learned, and `python -m tables own` has it in their column.
"""

import shlex
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cache
from os import sched_getaffinity
from pathlib import Path
from statistics import fmean
from typing import Any, get_args

import numpy as np
import torch
from tabulate import tabulate

from envs.command import Parser, first_line, non_negative, positive, progress, run_command
from envs.outside import as_file_name, fingerprint, in_words, is_outside, is_own_task, load_function, tidy
from envs.task import Protocol, SuccessTiming, Task, find_task
from eval.config.options import Together, check_seeds, whole_numbers
from eval.results.folder import RECORD, new_folder
from eval.results.provenance import made_by
from eval.results.record import ELSEWHERE, PHASES, Writer, score, scored_by
from eval.running.rollout import Evaluator, outcomes


@cache
def loaded(name: str, seed: int) -> Callable[..., Any]:
    """What acts for a seed: made once in each process."""
    found = load_function(name)
    try:
        return found(seed) if isinstance(found, type) else found
    except Exception as error:  # whatever the class raises
        raise ValueError(f"{name}: cannot be made for a seed, {in_words(error, name)}") from error


class Elsewhere:
    """One seed's policy from a file, called as an `Actor` is; other processes load it by its name."""

    def __init__(self, name: str, seed: int, action_dim: int):
        self.name, self.seed, self.action_dim = name, seed, action_dim

    def __call__(self, obs: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        """The next chunk for each observation: [n, obs_dim] to [n, H, action_dim]. ValueError for what are no chunks of it."""
        chunks = [self.chunk(row, rng) for row, rng in zip(obs, rngs, strict=True)]
        if len(lengths := sorted({len(chunk) for chunk in chunks})) > 1:
            raise ValueError(f"{self.name}: returns chunks of {lengths[0]} and of {lengths[-1]} actions; all have as many")
        return np.stack(chunks)

    def chunk(self, obs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """[obs_dim] to [H, action_dim]."""
        try:
            returned = np.asarray(loaded(self.name, self.seed)(obs, rng), np.float32)
        except Exception as error:  # whatever the policy raises
            raise ValueError(f"{self.name}: {in_words(error, self.name)}") from error
        size = self.action_dim
        if returned.ndim not in (1, 2) or returned.shape[-1] != size or not returned.size:
            raise ValueError(f"{self.name}: returns shape {list(returned.shape)}; needed is [{size}] or [H, {size}]")
        chunk = np.atleast_2d(returned)
        if not (np.abs(chunk) <= 1).all():
            raise ValueError(f"{self.name}: returns {chunk[np.abs(chunk).argmax() // size]}; actions lie in [-1, 1]")
        return chunk


def describe(options: Namespace, task: Task) -> dict[str, Any]:
    """The record's first line, as a run has it; of the data nobody here knows more than is said."""
    dataset = task.read_dataset(options.dataset).origin if options.dataset else {}
    files = [name for name in (options.policy, task.name) if is_outside(name)]
    config = {
        "task": task.name,
        "method": tidy(options.policy),
        "algo": {"name": tidy(options.policy)},
        "backbone": {"name": ""},
        "preset": ELSEWHERE,
        "protocol": options.protocol,
        "seeds": options.seeds,
        "offline_steps": 0,
        "changes": {},
        "success_timing": options.success_timing,
        "eval_episodes": options.episodes,
    }
    return {
        **made_by(shlex.join(["python", "-m", "eval.elsewhere", *sys.argv[1:]]), task, "cpu"),
        "config": config,
        "dataset": dataset,
        "files": {name: fingerprint(name) for name in files},
        **({"task": facts} if (facts := task.facts()) else {}),
    }


def parse() -> Namespace:
    parser = Parser(prog="python -m eval.elsewhere", description=first_line(__doc__))
    parser.add_argument("policy", help="a function or class: ./FILE.py:NAME or module:PACKAGE.MODULE:NAME")
    parser.add_argument("--task", default="cube-single-task2", help="of eval.run --list (default: cube-single-task2)")
    seeds_help = "as 0 1 2 or 0-2: each has episodes of its own (default: 0)"
    parser.add_argument("--seeds", nargs="+", type=whole_numbers, action=Together, default=[0], help=seeds_help)
    parser.add_argument("--dataset", metavar="FILE", help="that it learned from, where these are data of your own")
    parser.add_argument("--episodes", type=positive, default=50, help="of each seed (default: 50)")
    parser.add_argument("--phase", choices=PHASES, help="after which it is compared (default: the protocol's last)")
    parser.add_argument(
        "--protocol", choices=get_args(Protocol), default="offline-to-online", help="of the runs it is compared with"
    )
    parser.add_argument("--success-timing", choices=get_args(SuccessTiming), default="post", help="default: post")
    parser.add_argument("--workers", type=non_negative, default=len(sched_getaffinity(0)), help="processes; 0 evaluates here")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder for the record (default: runs)")
    options = parser.parse_args()
    check_seeds(options.seeds)
    phases = ("offline",) if options.protocol == "offline" else PHASES
    options.phase = options.phase or phases[-1]
    if options.phase not in phases:
        raise ValueError(f"--phase {options.phase}: --protocol offline has no online phase")
    return options


def main() -> None:
    options = parse()
    task = find_task(options.task)
    for seed in options.seeds:
        loaded(options.policy, seed)  # refuses one that is not there
    actors = {seed: Elsewhere(options.policy, seed, task.action_dim) for seed in options.seeds}
    task.make_env(options.success_timing).close()  # refuses a timing that the suite does not have
    start = describe(options, task)
    with closing(Evaluator(task, options.success_timing, options.workers)) as evaluator:
        running = evaluator.evaluate(actors, options.episodes)
        total = options.episodes * len(actors)
        episodes = list(progress(running, desc="evaluation", total=total, leave=False, unit="episode"))
    found = {seed: outcomes(task, [e for e in episodes if e.seed == seed]) for seed in actors}
    lines = [{"kind": "evaluation", "seed": s, "phase": options.phase, "step": 1, **kept} for s, kept in found.items()]
    what = as_file_name(f"{tidy(options.policy)}-{task.name}")
    with new_folder(what, options.runs) as folder, closing(Writer(folder / RECORD)) as writer:
        writer.write_all([{"kind": "start", **start}, *lines, {"kind": "end", "status": "finished", "reason": ""}])
    scores = [score(line) for line in lines]
    rows = [[seed, f"{one:.1f}", options.episodes] for seed, one in zip(found, scores, strict=True)]
    rows += [["mean", f"{fmean(scores):.1f}", total]] * (len(rows) > 1)
    print(tabulate(rows, ["seed", scored_by(start), "episodes"], disable_numparse=True))
    print(f"\nrecord: {writer.path}")
    against = options.runs if is_own_task(task.name) else "records"
    print(f"beside others: python -m tables compare {shlex.quote(str(writer.path))} --against {against}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_command(main)
