"""`python -m tables findings`: what records say of each of the paper's claims, as a page; `--check` refuses one that is old.

A claim's contrast is averaged over the tasks on which all of its methods have seeds, at the preset nearest to the paper's that
has any. Its 95 % interval is Student's over seeds, with the tasks as given.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from statistics import fmean

import numpy as np
from tabulate import tabulate

from envs.command import Parser
from envs.files.whole import replaced
from eval.config.presets import PRESETS
from eval.results.record import PHASES, Run
from tables import published, rules
from tables.cells import build
from tables.claims import CLAIMS, Claim, Contrast
from tables.costs import Bench, fullest, load_benches
from tables.equal_time import at_equal_time, moment_of, share, update_times
from tables.headline import NEAREST
from tables.result import Cell, Result
from tables.sources.runs import files, load
from tables.spec import TABLES, Row, Table, belongs, each
from tables.stats import Array, Estimate, combination

PAGE = "FINDINGS.md"
AGREES, DISAGREES, UNCLEAR, PARTIAL = "agrees", "disagrees", "cannot tell at this n and size", "not all values have runs"
UNLIKE = "its rows have different data or simulators"
NOTHING, UNTIMED = "no runs", "no runs of methods whose updates were timed"
COMMAND = "python -m tables findings"
OF_PAPER = {task for name in ("6", "7") for column in TABLES[name].columns for task in column.tasks}
READING = """\
Differences of success rates in percentage points. *The paper*: of its printed means, over its own tasks, at its own size; "-"
where it prints none. *Here*: the mean over the tasks on which both sides have seeds, at the preset nearest to the paper's
that has runs of all rows of the claim; other presets follow as other sizes. The 95 % interval is Student's over seeds, with
the tasks taken as given, and at least the one that their finite numbers of episodes give alone; rows are not paired where they
have the same seeds. A claim agrees when its interval lies on its side of 0 (of robustness: within the margin, for every
value), and disagrees when it lies on the other side. Data that one script generated on processors that round differently count
as the same; other data and simulators are not compared.

What makes these intervals too narrow: each is tested at 95 %, uncorrected for the number of claims, and to the records of the
repository seeds were added where one held 0. Our presets were tuned for DFP, as said below; `small` and `laptop` so that DFP's
online phase helps on cube-single-task2, and their batches on can were changed after its seeds 0 to 2 had been seen
([pilots](pilot/README.md))."""


@dataclass(frozen=True)
class Finding:
    """What records say of a contrast: its value on each task and over all, the seeds of its rows, and where they are from."""

    row: str  # its first
    estimate: Estimate
    by_task: Mapping[str, Estimate]
    seeds: tuple[int, int]  # fewest and most
    preset: str
    generated: bool
    alike: bool  # whether its rows have the same data and simulators on each task
    notes: tuple[str, ...]
    times: str = ""  # of updates, where they count


def at_preset(contrast: Contrast, preset: str, runs: Sequence[Run]) -> Finding | None:
    """A contrast over the tasks on which all of its rows have seeds; None where there is no such task."""
    own = [run for run in runs if run.start["config"]["preset"] == preset and run.start["config"]["task"] in OF_PAPER]
    if not own:
        return None
    tasks = sorted({run.start["config"]["task"] for run in own})
    rows = tuple(row for row, _ in contrast.parts)
    table = Table("", rows, each(*tasks), phases=PHASES, seeds=0, average=False)
    result = build("", table, own, preset)
    samples: dict[str, list[Array]] = {}
    noise: dict[str, list[float]] = {}
    used: list[Run] = []
    alike = True
    for place, task in enumerate(tasks):
        cells = [line.cells[place] for line in result.lines]
        if all(number.mean is not None for cell in cells for number in cell.numbers):
            weighted = [(cell, weights) for cell, (_, weights) in zip(cells, contrast.parts, strict=True)]
            samples[task] = [by_seed(cell, task, weights) for cell, weights in weighted]
            noise[task] = [episodes_alone(cell, task, weights) for cell, weights in weighted]
            on_task = [run for cell in cells for run in cell.runs]
            alike &= not any(rules.ground_difference(on_task[0], other) for other in on_task[1:])
            used += on_task
    if not samples:
        return None
    sizes = [len(sample) for parts in samples.values() for sample in parts]
    estimate = combination(
        [(1 / len(samples), sample) for parts in samples.values() for sample in parts], [*chain(*noise.values())]
    )
    by_task = {task: combination([(1.0, sample) for sample in parts], noise[task]) for task, parts in samples.items()}
    generated = any(map(rules.on_generated_data, used))
    return Finding(rows[0].label, estimate, by_task, (min(sizes), max(sizes)), preset, generated, alike, told(result))


def told(result: Result) -> tuple[str, ...]:
    """What is to be known of a table's runs, but that data were generated and where, which the page says of all."""
    notes = [
        f"{task}: {note}"
        for line in result.lines
        for task, cell in zip(result.columns, line.cells, strict=True)
        for note in cell.notes
    ]
    return tuple(note for note in dict.fromkeys([*result.notes, *notes]) if not note.endswith((rules.GENERATED, rules.REMADE)))


def by_seed(cell: Cell, task: str, weights: Mapping[str, float]) -> Array:
    """A row's part of a contrast, for each seed that has its phases."""
    rates = {phase: number.rates[task] for phase, number in zip(PHASES, cell.numbers, strict=True)}
    seeds = set.intersection(*(set(rates[phase]) for phase in weights))
    return np.array([sum(weight * rates[phase][seed] for phase, weight in weights.items()) for seed in sorted(seeds)])


def episodes_alone(cell: Cell, task: str, weights: Mapping[str, float]) -> float:
    """The variance of a seed's part that its finite number of episodes gives: of a rate p in percent p (100 - p) / episodes."""
    variances: dict[int, float] = defaultdict(float)
    for phase, number in zip(PHASES, cell.numbers, strict=True):
        for seed, rate in number.rates[task].items():
            counts = [len(e["success"]) for run in cell.runs if (e := run.last(seed, phase))]
            variances[seed] += weights.get(phase, 0.0) ** 2 * rate * (100 - rate) / max(counts)
    return fmean(variances.values())


def printed(contrast: Contrast) -> float:
    """The same of the paper's own means, averaged over the columns of its table."""
    cells, phases = published.cells(contrast.table), TABLES[contrast.table].phases
    columns = [column for column in dict.fromkeys(column for _, column in cells) if column != "Avg."]

    def rate(row: Row, phase: str, column: str) -> float:
        mean = cells[row.label, column].numbers[phases.index(phase)].mean
        return math.nan if mean is None else mean

    terms = [(row, phase, weight) for row, weights in contrast.parts for phase, weight in weights.items()]
    return sum(weight * rate(row, phase, column) for row, phase, weight in terms for column in columns) / len(columns)


def verdict(claim: Claim, estimates: Sequence[Estimate]) -> str:
    """Whether intervals lie above 0, or all within the margin; disagreement needs an interval wholly on the other side."""
    if any(contradicts(one, claim) for one in estimates):
        return DISAGREES
    if claim.margin is None:
        (one,) = estimates
        return AGREES if one.low > 0 else UNCLEAR
    if len(estimates) < len(claim.contrasts):
        return PARTIAL
    return AGREES if all(-claim.margin <= one.low and one.high <= claim.margin for one in estimates) else UNCLEAR


def contradicts(one: Estimate, claim: Claim) -> bool:
    """Whether an interval does; one without bounds does not."""
    return one.high < 0 if claim.margin is None else one.low > claim.margin or one.high < -claim.margin


Conclusion = tuple[str, Finding | None, float]


def when_as_long(contrast: Contrast, preset: str, runs: Sequence[Run], benches: Sequence[Bench]) -> Finding | None:
    """A contrast of two rows, the second when its updates have lasted as long as the first one's; None without times."""
    first, second = (row for row, _ in contrast.parts)
    own, other = (update_times(row.method, preset, benches) for row in (second, first))
    if not own or not other:
        return None
    finished = [run for run in runs if run.start["config"]["preset"] == preset and run.status == "finished"]
    later = [run for run in finished if belongs(run.start["config"], second) and run.start["config"].get("online_steps")]
    others = [run for run in finished if not belongs(run.start["config"], second)]
    finding = at_preset(contrast, preset, [*others, *(at_equal_time(run, own, other) for run in later)])
    if not finding:
        return None
    (bench,) = fullest(benches, preset)
    counted = {run.start["config"]["task"]: share(run, own, other, moment_of(run, own, other)) for run in later}
    after = ", ".join(f"{counted[task]:.2f} ({task})" for task in finding.by_task)
    took = (f"{row.label} {ms['offline']:.1f} and {ms['online']:.1f}" for row, ms in ((first, other), (second, own)))
    times = f"An update offline and online takes {' ms, '.join(took)} ms ({bench['device']}; {bench['path']})"
    return replace(finding, times=f" {times}. {second.label} counts after {after} times {first.label}'s time.")


def conclusions(claim: Claim, runs: Sequence[Run], benches: Sequence[Bench]) -> list[Conclusion]:
    """For each preset that has runs of a claim the verdict, the finding that shows it, and the paper's own number for that.

    Of several contrasts the shown one contradicts the claim, else it is the largest. Presets with runs of every row come
    first, the nearest to the paper's before others. Without runs, that there are none.
    """
    papers = [math.nan if claim.equal_time else printed(contrast) for contrast in claim.contrasts]
    whole: list[Conclusion] = []
    partial: list[Conclusion] = []
    for preset in NEAREST:
        found = {
            place: when_as_long(contrast, preset, runs, benches) if claim.equal_time else at_preset(contrast, preset, runs)
            for place, contrast in enumerate(claim.contrasts)
        }
        known = {place: finding for place, finding in found.items() if finding}
        if known:
            shown = max(known, key=lambda i: (contradicts(known[i].estimate, claim), abs(known[i].estimate.value)))
            alike = all(finding.alike for finding in known.values())
            said = verdict(claim, [finding.estimate for finding in known.values()]) if alike else UNLIKE
            (whole if len(known) == len(found) else partial).append((said, known[shown], papers[shown]))
    return [*whole, *partial] or [(UNTIMED if claim.equal_time else NOTHING, None, max(papers, key=abs))]


def page(runs: Sequence[Run], benches: Sequence[Bench]) -> str:
    """The page, whole."""
    all_sizes = [(claim, conclusions(claim, runs, benches)) for claim in CLAIMS]
    concluded = [(claim, *nearest) for claim, (nearest, *_) in all_sizes]
    head = ["claim", "the paper", "here", "95 %", "tasks x seeds", "verdict"]
    lines = [
        [claim.title, "-" if math.isnan(paper) else f"{paper:+.1f}", *numbers(finding), f"**{said}**" if finding else said]
        for claim, said, finding, paper in concluded
    ]
    presets = dict.fromkeys(finding.preset for _, sizes in all_sizes for _, finding, _ in sizes if finding)
    about = [f"Preset {preset}: {PRESETS[preset].about}" for preset in presets]
    parts = [
        "# What the records say of the paper's claims",
        f"Written by `{COMMAND}` from the records of this folder; with `--check` it fails when page and records part.",
        READING,
        *about,
        tabulate(lines, head, "pipe", disable_numparse=True),
        *(part for claim, sizes in all_sizes for part in section(claim, sizes)),
        "## Run it again",
        "Each record begins with its command. `python -m eval.sweep --preset small --methods dfp dfp-no-top-k mvp mvp-top-k "
        "qc-fql qc-bfn --tasks cube-single-task2 can lift --seeds 0-2 --records` makes such runs anew (`--dry-run` lists them) "
        "on data that `python -m envs.generate TASK` has made, for cube-single-task2 with `--rows 100000`.",
    ]
    return "\n\n".join(parts) + "\n"


def numbers(finding: Finding | None) -> list[str]:
    if not finding:
        return ["-", "-", "-"]
    return [f"{finding.estimate.value:+.1f}", interval(finding.estimate), f"{len(finding.by_task)} x {span(finding.seeds)}"]


def interval(one: Estimate) -> str:
    return "unknown" if math.isnan(one.low) else f"{one.low:+.1f} to {one.high:+.1f}"


def span(seeds: tuple[int, int]) -> str:
    return str(seeds[0]) if seeds[0] == seeds[1] else f"{seeds[0]} to {seeds[1]}"


def section(claim: Claim, sizes: Sequence[Conclusion]) -> list[str]:
    """A claim with its test and what came of it, at the nearest preset and at others."""
    parts = [f"## {claim.title}", claim.sentence, f"*Test.* {claim.test}"]
    for place, (said, finding, _) in enumerate(sizes):
        parts.append(f"*{'Another size' if place else 'Result'}.* {in_words(claim, said, finding)}")
    return parts


def in_words(claim: Claim, said: str, finding: Finding | None) -> str:
    """What came of a claim at one size."""
    if not finding:
        return f"{said[0].upper()}{said[1:]}."
    where = f"preset {finding.preset}{', generated data' if finding.generated else ''}"
    tasks = ", ".join(f"{task} {one.value:+.1f} ({interval(one)})" for task, one in finding.by_task.items())
    of = f" of {finding.row}" if claim.margin is not None else ""
    value, bounds, n = numbers(finding)
    known = "".join(f" To be known: {note}." for note in finding.notes)
    return f"{value}{of} ({bounds}; {n} seeds; {where}): **{said}**. By task: {tasks}.{finding.times}{known}"


def main(arguments: list[str]) -> None:
    parser = Parser(prog=COMMAND, description=__doc__)
    parser.add_argument(
        "--runs", type=Path, nargs="+", default=[Path("records")], help="folders or files of records (default: records)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"the page (default: {PAGE} in the first of --runs)")
    parser.add_argument("--check", action="store_true", help="write nothing; refuse a page that says something else")
    options = parser.parse_args(arguments)
    found = files(options.runs)
    out = options.out or (options.runs[0] if options.runs[0].is_dir() else options.runs[0].parent) / PAGE
    text = page(load(found), load_benches(found))
    if options.check:
        return check(out, text)
    with replaced(out) as whole:
        whole.write_text(text, encoding="utf-8")
    print(out)


def check(path: Path, text: str) -> None:
    """ValueError for a page that is not what the records give, with the first line that differs."""
    old, new = path.read_text(encoding="utf-8").splitlines(), text.splitlines()
    for number, (before, now) in enumerate(zip([*old, ""], [*new, ""], strict=False), 1):
        if before != now:
            raise ValueError(f"{path}, line {number}: '{before}', the records say '{now}'; `{COMMAND}` writes it")
    print(f"{path}: what the records say")
