"""`python -m tables plan 1`: which cells lack seeds, the commands that fill them, and the hours that alike ones took."""

from collections.abc import Sequence

from tabulate import tabulate

from envs.command import Parser
from eval.results.record import Run
from tables.build import NAMES, check, from_records
from tables.costs import Bench, load_benches
from tables.options import add_options
from tables.rates import Rates
from tables.result import Gap
from tables.sources.runs import files, load
from tables.spec import ANY_PRESET


def hours(gap: Gap, rates: Rates) -> tuple[float | None, str]:
    """What a gap takes on a processor, or where no processor is known to have done it on a GPU; None when neither is known."""
    asked = {"method": gap.method, "task": gap.task, "preset": gap.preset, "protocol": gap.protocol}
    for gpu, where in ((False, ""), (True, " on a GPU")):
        one = rates.usual(gpu, asked)
        if one is not None:
            return len(gap.seeds) * one, where
    return None if gap.seeds else 0.0, ""


def show(gaps: Sequence[Gap], runs: Sequence[Run], benches: Sequence[Bench]) -> str:
    """The gaps with their hours, and the sum."""
    rates = Rates(runs, benches)
    times = [hours(gap, rates) for gap in gaps]
    lines = [
        [
            gap.label,
            gap.task,
            f"{gap.wanted - len(gap.seeds)}/{gap.wanted}",
            "?" if time is None else f"{time:.1f}{where}",
            gap.command,
        ]
        for gap, (time, where) in zip(gaps, times, strict=True)
    ]
    known = [(time, where) for time, where in times if time is not None]
    total = f"{len(gaps)} gaps, {sum(len(gap.seeds) for gap in gaps)} runs of one seed; "
    kinds = sorted({where for _, where in known}) or [""]
    total += " and ".join(f"{sum(time for time, where in known if where == kind):.1f} hours{kind}" for kind in kinds)
    if len(known) < len(times):
        total += f", and {len(times) - len(known)} gaps of methods that were not timed"
    return tabulate(lines, ["method", "task", "seeds", "hours", "command"], disable_numparse=True) + f"\n\n{total}\n"


def main(arguments: list[str]) -> None:
    parser = Parser(prog="python -m tables plan", description=__doc__)
    parser.add_argument("tables", nargs="+", metavar="TABLE", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--preset", choices=ANY_PRESET, help="of the runs to count (default: paper, or the table's only one)")
    add_options(parser, "--runs")
    parser.add_argument("--shell", action="store_true", help="print the commands alone, one a line")
    options = parser.parse_args(arguments)
    check(options.tables, NAMES, preset=options.preset)
    found = files(options.runs)
    runs, benches = load(found), load_benches(found)
    results = [from_records(name, runs, benches, options.preset or "paper") for name in options.tables]
    gaps = {gap.command: gap for result in results for gap in result.gaps()}
    print("\n".join(gaps) if options.shell else show(list(gaps.values()), runs, benches))
