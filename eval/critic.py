"""What the critic's order of actions is worth: `python -m eval.critic RUN --states 50 --candidates 16`.

In a state of each of so many evaluation episodes the critic puts the policy's candidate chunks in order, and the simulator
executes each of them and lets the policy go on. Printed are Spearman's rank correlation within a state, and what acting by
the best of n candidates earns from there to the end of the episode: as the critic chooses, and in hindsight. A line of kind
"critic" for each seed, with every number, goes to `evaluations.ndjson` beside the policies.

Each candidate is tried once, so its return has the noise of one episode. The best in hindsight is an upper bound, above what a
perfect critic would earn, and the correlation a lower one.
"""

import os
from collections.abc import Iterable, Sequence
from math import comb
from statistics import fmean
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from tabulate import tabulate

from algos.base import ActorCritic
from envs.command import Parser, first_line, non_negative, positive, progress, run_command
from eval.evaluate import average
from eval.policy import Policy
from eval.results.again import EVALUATIONS, add_policy, add_step, origin, refuse_unwritable
from eval.results.policy import find, read_actor
from eval.results.record import append
from eval.running.rollout import Evaluator
from eval.running.worth import Candidates, try_candidates

COLUMNS = {  # heading: by what a candidate is the best, and what is shown of it
    "success (%)": ("values", "success"),
    "return": ("values", "returns"),
    "Q": ("values", "values"),
    "return in hindsight": ("returns", "returns"),
    "and its success (%)": ("returns", "success"),
}


def expected_best(by: Sequence[float], worth: Sequence[float], n: int) -> float:
    """The mean of `worth` at the best of n, `by` a value: over all subsets of n of the candidates."""
    order, total = np.argsort(by, kind="stable")[::-1], comb(len(by), n)
    return sum(comb(len(by) - 1 - rank, n - 1) / total * float(worth[i]) for rank, i in enumerate(order))


def correlations(states: Iterable[Candidates]) -> list[float]:
    """Spearman's rho of values and returns in each state in which neither is all the same."""
    told = [state for state in states if len(set(state.values)) > 1 and len(set(state.returns)) > 1]
    return [float(spearmanr(state.values, state.returns).statistic) for state in told]


def rows(states: Sequence[Candidates], count: int) -> list[list[str]]:
    """A line for the best of n = 1, 2, 4, ... candidates: the columns' means over states."""

    def mean(by: str, worth: str, n: int) -> float:
        return fmean(expected_best(getattr(state, by), getattr(state, worth), n) for state in states)

    def text(by: str, worth: str, n: int) -> str:
        return f"{100 * mean(by, worth, n):.0f}" if worth == "success" else f"{mean(by, worth, n):.2f}"

    sizes = [2**k for k in range(count.bit_length()) if 2**k <= count]
    return [[str(n), *(text(by, worth, n) for by, worth in COLUMNS.values())] for n in sizes]


def line(policy: Policy, states: Sequence[Candidates], first: int) -> dict[str, Any]:
    """What is kept of a measurement."""
    rho = correlations(states)
    return {
        "kind": "critic",
        **origin(policy.about, "eval.critic"),
        "first": first,
        "discount": getattr(policy.config.algo, "discount", None),
        "spearman": round(fmean(rho), 4) if rho else None,
        "states": [{name: list(v) if isinstance(v, tuple) else v for name, v in vars(state).items()} for state in states],
    }


def report(policy: Policy, states: Sequence[Candidates], count: int) -> str:
    """A seed's table, and the correlation with its interval over states."""
    rho = correlations(states)
    said = f"no state of {len(states)} tells candidates apart"
    if rho:
        mean, low, high = average(rho)
        interval = f"95 % {max(low, -1):.2f} to {min(high, 1):.2f}" if len(rho) > 1 else "one state"
        said = (
            f"Spearman's rho of Q and return: {mean:.2f} ({interval}), {len(rho)} of {len(states)} states tell candidates apart"
        )
    return f"{policy.about.name}\n\n{tabulate(rows(states, count), ['best of', *COLUMNS], disable_numparse=True)}\n\n{said}"


def main() -> None:
    parser = Parser(prog="python -m eval.critic", description=first_line(__doc__))
    add_policy(parser, seed="every seed")
    add_step(parser)
    parser.add_argument("--states", type=positive, default=50, help="episodes, in each of which one state is chosen")
    parser.add_argument("--first", type=non_negative, default=0, help="number of the first episode")
    parser.add_argument("--candidates", type=positive, default=16, metavar="N", help="of a state")
    parser.add_argument("--workers", type=non_negative, default=len(os.sched_getaffinity(0)), help="processes; 0 measures here")
    options = parser.parse_args()
    found = find(options.run, options.phase, options.seed, options.step)
    policies = [Policy(about, *read_actor(about, act="policy")) for about in found]
    task, config = policies[0].task, policies[0].config
    if not isinstance(config.algo, ActorCritic):
        raise ValueError(f"{found[0].path}: its rule has no critic")
    if "critic" not in policies[0].actor.modules:
        raise ValueError(f"{found[0].path}: it was kept without its critic, which was not needed to act")
    path = found[0].path.with_name(EVALUATIONS)
    refuse_unwritable(path)

    episodes = range(options.first, options.first + options.states)
    jobs = [(p.actor, p.about.seed, e, options.candidates, config.algo.discount) for p in policies for e in episodes]
    evaluator = Evaluator(task, config.success_timing, options.workers)
    try:
        running = evaluator.each(try_candidates, jobs)
        states = list(progress(running, desc="states", total=len(jobs), leave=False, unit="state"))
    finally:
        evaluator.close()
    own_states = [states[at : at + options.states] for at in range(0, len(states), options.states)]
    append(path, [line(policy, own, options.first) for policy, own in zip(policies, own_states, strict=True)])
    for policy, own in zip(policies, own_states, strict=True):
        print(report(policy, own, options.candidates), end="\n\n")
    print(f"every number: {path}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_command(main)
