"""Evaluate what a run kept again: `python -m eval.evaluate RUN --episodes 500 --first 1000`.

Other episodes, another best-of-N, the other timing of success, every seed or one. Needed are the policy files alone. A line of
kind "evaluation again" for each seed goes to `evaluations.ndjson` beside them, never into the record; what is printed compares
it with the recorded evaluation.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from math import hypot, inf
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, get_args

import scipy.stats
import torch
from tabulate import tabulate

from algos.select import CHOOSING
from envs.command import Parser, first_line, non_negative, positive, progress, run_command
from envs.task import SuccessTiming
from eval import video
from eval.config.config import Act, Config
from eval.pictures import open_renderer
from eval.policy import Policy
from eval.results.again import EVALUATIONS, add_policy, add_step, origin, refuse_unwritable
from eval.results.policy import ACTING, About, find, read_actor
from eval.results.record import append, scored_by
from eval.running.rollout import Episode, Evaluator, outcomes


def best_of(about: About, n: int | None) -> dict[str, int]:
    """The change that makes the policy act by the best of `n`. ValueError for an algorithm that does not choose."""
    names = [name for name in CHOOSING if name in about.run["config"]["algo"]]
    if n is None:
        return {}
    if not names:
        raise ValueError(f"--best-of {n}: {about.run['config']['algo']['name']} acts by its one sample")
    return {names[0]: n}


def compare(policy: Policy, again: Sequence[Episode], same: bool) -> list[str]:
    """A line of the printed table: both scores with 95 % intervals, and their difference.

    Rates have Wilson's intervals, means of returns Student's; of the difference Newcombe's (1998, method 10). `same` says that
    nothing but the episodes may differ: those that both have are paired.
    """
    estimate: Callable[[Sequence[float]], tuple[float, float, float]]
    before, estimate, unit = policy.about.evaluation.get("score"), average, ""
    now = [score for e in again if (score := policy.task.scored(e.total_reward)) is not None]
    if before is None:
        before, now, estimate, unit = policy.about.evaluation["success"], [float(e.success) for e in again], rate, "%"
    (p, low, high), (q, low_q, high_q) = estimate(now), estimate(before)
    least, most = p - q - hypot(p - low, high_q - q), p - q + hypot(high - p, q - low_q)
    shared = [i for i, e in enumerate(again) if e.episode < len(before)] if same else []
    equal = sum(round(now[i], 6) == before[again[i].episode] for i in shared)
    return [
        policy.about.name,
        f"{p:.1f}{unit} ({low:.1f}{unit} to {high:.1f}{unit}) of {len(again)}",
        f"{q:.1f}{unit} ({low_q:.1f}{unit} to {high_q:.1f}{unit}) of {len(before)}",
        f"{p - q:+.1f} ({least:+.1f} to {most:+.1f})",
        f"{equal} of {len(shared)}" if shared else "-",
    ]


def rate(successes: Sequence[float]) -> tuple[float, float, float]:
    """The share of successes in percent and its 95 % interval."""
    test = scipy.stats.binomtest(sum(map(bool, successes)), len(successes))
    low, high = test.proportion_ci(method="wilson")
    return 100 * float(test.statistic), 100 * low, 100 * high


def average(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean and its 95 % interval; one without bounds where there is one value."""
    mean = fmean(values)
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5 if len(values) > 1 else inf
    return mean, mean - half, mean + half


def line(policy: Policy, episodes: Sequence[Episode], timing: SuccessTiming) -> dict[str, Any]:
    """What is kept of an evaluation."""
    about = policy.about
    return {
        "kind": "evaluation again",
        **origin(about, "eval.evaluate"),
        **{name: policy.config.to_json()[name] for name in ("algo", *ACTING)},
        "success_timing": timing,
        "first": episodes[0].episode,
        **outcomes(policy.task, episodes),
        "kernel": about.run.get("kernel"),
    }


def check(options: Namespace, config: Config, count: int) -> None:
    """ValueError for what was asked and would change or show nothing in `count` episodes."""
    if options.best_of is not None and config.act == "qgbs":
        raise ValueError(f"--best-of {options.best_of}: a search acts, by as many samples as it has; --act policy acts by N")
    if options.qgbs_rounds is not None and config.act != "qgbs":
        raise ValueError(f"--qgbs-rounds {options.qgbs_rounds}: there is no search to have rounds; --act qgbs searches")
    if options.video:
        video.check_camera(config.task)
    video.check_show(options.show, range(options.first, options.first + count))


def main() -> None:
    parser = Parser(prog="python -m eval.evaluate", description=first_line(__doc__))
    add_policy(parser, seed="every seed")
    add_step(parser)
    parser.add_argument("--episodes", type=positive, help="of each seed (default: as many as recorded)")
    parser.add_argument("--first", type=non_negative, default=0, help="number of the first; training evaluated those from 0 on")
    parser.add_argument("--best-of", type=positive, metavar="N", help="act by the best of N samples (default: as trained)")
    parser.add_argument("--act", choices=get_args(Act), help="as the algorithm does, or by a search (default: as the run did)")
    parser.add_argument("--qgbs-rounds", type=non_negative, metavar="K", help="rounds of that search (default: the run's)")
    parser.add_argument("--success-timing", choices=get_args(SuccessTiming), help="default: the run's")
    parser.add_argument(
        "--workers", type=non_negative, default=len(os.sched_getaffinity(0)), help="processes that evaluate; 0 evaluates here"
    )
    parser.add_argument(
        "--video", type=Path, nargs="+", default=[], metavar="FILE", help="also show episodes: .mp4, .gif, .png"
    )
    video.add_show(parser)
    options = parser.parse_args()
    if options.video:
        video.check_files(options.video)
        open_renderer()
    found = find(options.run, options.phase, options.seed, options.step)
    acting = {name: value for name in ACTING if (value := getattr(options, name)) is not None}
    policies = [Policy(about, *read_actor(about, **best_of(about, options.best_of), **acting)) for about in found]
    config, trained = policies[0].config, Config.from_json(found[0].run["config"])
    count = options.episodes or len(found[0].evaluation["success"])
    check(options, config, count)
    task, timing = config.task, options.success_timing or config.success_timing
    task.make_env(timing).close()  # refuses a timing that the suite does not have
    path = found[0].path.with_name(EVALUATIONS)
    refuse_unwritable(path)

    evaluator = Evaluator(task, timing, options.workers)
    try:
        running = evaluator.evaluate({p.about.seed: p.actor for p in policies}, count, first=options.first)
        episodes = list(progress(running, desc="evaluation", total=count * len(policies), leave=False, unit="episode"))
    finally:
        evaluator.close()
    own = [[e for e in episodes if e.seed == policy.about.seed] for policy in policies]
    append(path, [line(policy, again, timing) for policy, again in zip(policies, own, strict=True)])
    same = config == trained and timing == trained.success_timing
    rows = [compare(policy, again, same) for policy, again in zip(policies, own, strict=True)]
    by = scored_by(policies[0].about.run).removesuffix(" rate (%)")
    headers = ["policy", f"{by} now", "recorded", "difference, points", "same outcome"]
    print(tabulate(rows, headers, disable_numparse=True))
    print(f"\n95 % intervals in brackets; every episode: {path}")
    if options.video:
        shown = video.choose(own[0], options.show, options.count)
        for text in video.show(policies[0], shown, timing, options.video):
            print(text, file=sys.stderr)
        print(*options.video)


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_command(main)
