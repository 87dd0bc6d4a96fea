"""`python -m tables plan 1`: which cells lack seeds, the commands that fill them, and the hours which they would take here."""

import statistics
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from envs.command import Parser
from eval.results.record import Run
from tables import published
from tables.build import NAMES, check, from_records
from tables.costs import Bench, load_benches, update_ms
from tables.options import add_options
from tables.result import Gap
from tables.sources.runs import files, load


def hours(gap: Gap, runs: Iterable[Run], benches: Sequence[Bench]) -> float | None:
    """What a gap takes at the speed of finished runs of its method (on its task, if there are any), or of bare updates."""
    if not gap.seeds:
        return 0.0
    wanted = {"method": gap.method, "preset": gap.preset, "protocol": gap.protocol}
    alike = [run for run in runs if run.status == "finished" and run.seconds and wanted.items() <= run.start["config"].items()]
    on_task = [run for run in alike if run.start["config"]["task"] == gap.task]
    each = [(run.seconds or 0) / len(run.start["config"]["seeds"]) / 3600 for run in on_task or alike]
    one = statistics.median(each) if each else hours_of_updates(gap, benches)
    return None if one is None else len(gap.seeds) * one


def hours_of_updates(gap: Gap, benches: Sequence[Bench]) -> float | None:
    """The updates of one seed with the steps of Table 5; None for a method that was not timed."""
    online = update_ms(benches, gap.method, gap.preset, "online")
    offline = (
        online if gap.protocol == "offline" else update_ms(benches, gap.method, gap.preset, "offline")
    )  # elites from the start
    if gap.preset == "quick" or not online or not offline:
        return None
    steps = {name: int(value) for name, value in published.table_5().items() if name in ("offline_steps", "online_steps")}
    return (steps["offline_steps"] * offline[0] + (gap.protocol != "offline") * steps["online_steps"] * online[0]) / 3.6e6


def show(gaps: Sequence[Gap], runs: Sequence[Run], benches: Sequence[Bench]) -> str:
    """The gaps with their hours, and the sum."""
    times = [hours(gap, runs, benches) for gap in gaps]
    lines = [
        [
            gap.label,
            gap.task,
            f"{gap.wanted - len(gap.seeds)}/{gap.wanted}",
            "?" if time is None else f"{time:.1f}",
            gap.command,
        ]
        for gap, time in zip(gaps, times, strict=True)
    ]
    known = [time for time in times if time is not None]
    total = f"{len(gaps)} gaps, {sum(len(gap.seeds) for gap in gaps)} runs of one seed; {sum(known):.1f} hours"
    if len(known) < len(times):
        total += f", and {len(times) - len(known)} gaps of methods that were not timed"
    return tabulate(lines, ["method", "task", "seeds", "hours", "command"], disable_numparse=True) + f"\n\n{total}\n"


def main(arguments: list[str]) -> None:
    parser = Parser(prog="python -m tables plan", description=__doc__)
    parser.add_argument("tables", nargs="+", metavar="TABLE", help=f"of {', '.join(NAMES)}")
    add_options(parser, "--runs", "--preset")
    parser.add_argument("--shell", action="store_true", help="print the commands alone, one a line")
    options = parser.parse_args(arguments)
    check(options.tables, NAMES)
    found = files(options.runs)
    runs, benches = load(found), load_benches(found)
    results = [from_records(name, runs, benches, options.preset) for name in options.tables]
    gaps = {gap.command: gap for result in results for gap in result.gaps()}
    print("\n".join(gaps) if options.shell else show(list(gaps.values()), runs, benches))
