"""What runs, the files of others and the paper say of a method on one task after one phase: an `Entry` each."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from eval.config.methods import METHODS
from eval.results.record import PHASES, Run
from tables import published
from tables.cells import build
from tables.own import column_of, is_own
from tables.result import Cell, Number
from tables.sources.means_file import holds_means, read_means
from tables.sources.publications import publication_of
from tables.sources.runs import load
from tables.spec import TABLES, Row, Table, each, label_of

Origin = Literal["ours", "imported", "printed"]


@dataclass(frozen=True)
class Entry:
    """A method, as it was run, on one task after one phase. `preset` is that of runs, or the protocol of what others ran."""

    method: str
    label: str
    preset: str
    task: str
    protocol: str
    phase: str
    cell: Cell
    origin: Origin
    source: str = ""  # the file that an imported one is from

    @property
    def number(self) -> Number:
        return self.cell.numbers[0]

    @property
    def from_outside(self) -> bool:
        """Whether its task is none of the suite's."""
        return any(map(is_own, self.cell.runs))

    @property
    def name(self) -> str:
        return self.label if self.origin == "printed" else f"{self.label} ({self.preset})"


def of_files(files: Sequence[Path], mixed: bool = False) -> list[Entry]:
    """What records and CSV files say, with seeds or without; what is published under a protocol goes by its name."""
    by_publication: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        publication = publication_of(path)
        by_publication[publication.name if publication else ""].append(path)
    found = []
    for published_as, own in by_publication.items():
        means = [path for path in own if path.suffix == ".csv" and holds_means(path)]
        runs = of_runs(load([path for path in own if path not in means]), mixed)
        entries = [*runs, *(entry for path in means for entry in of_means(path))]
        found += [replace(entry, preset=published_as or entry.preset) for entry in entries]
    return found


def of_runs(runs: Sequence[Run], mixed: bool = False) -> list[Entry]:
    """Every method, variant, preset, task and phase in the records, as cells. A task from outside has its data in its name."""
    kinds: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in runs:
        config, own = run.start["config"], column_of(run) if is_own(run) else ""
        kinds[config["method"], config["preset"], config["protocol"], repr(sorted(config["changes"].items())), own].append(run)
    found = []
    for (method, preset, protocol, _, own), group in kinds.items():
        config = group[0].start["config"]
        tasks = sorted({run.start["config"]["task"] for run in group})
        phases = PHASES if protocol == "offline-to-online" else PHASES[:1]
        for phase in phases:
            row = Row(label_of(config), method, config["changes"])
            tail = TABLES["7"].tail if protocol == "offline" else 0.0
            table = Table("", (row,), each(*tasks), protocol, (phase,), seeds=0, average=False, tail=tail)
            result = build("", table, group, preset, mixed)
            for task, cell in zip(tasks, result.lines[0].cells, strict=True):
                noted = replace(cell, notes=(*cell.notes, *result.notes))
                origin: Origin = "imported" if preset == "imported" else "ours"
                source = str(group[0].path) if origin == "imported" else ""
                found.append(Entry(method, row.label, preset, own or task, protocol, phase, noted, origin, source))
    return [entry for entry in found if entry.number.mean is not None or entry.cell.notes]


def of_means(path: Path) -> list[Entry]:
    """The means that a file of others gives."""
    means = read_means(path)
    online = {mean.method for mean in means if mean.phase == "online"}

    def entry(method: str, task: str, phase: str, number: Number) -> Entry:
        label = METHODS[method].label if method in METHODS else method
        protocol = "offline-to-online" if method in online else "offline"
        cell = Cell((number,), wanted=number.n, notes=(f"imported from {path}",))
        return Entry(method, label, "imported", task, protocol, phase, cell, "imported", str(path))

    return [entry(mean.method, mean.task, mean.phase, mean.number) for mean in means]


def of_paper(names: Iterable[str] = ("6", "7")) -> list[Entry]:
    """What the paper prints: offline to online in Table 6, the most precise one, offline in Table 7."""
    found = []
    for name in names:
        for (label, task), cell in published.cells(name).items():
            for number, phase in zip(cell.numbers, PHASES, strict=False):
                method = next((key for key, known in METHODS.items() if known.label == label), label)
                one = Cell((number,), wanted=number.n)
                found.append(Entry(method, label, "paper", task, TABLES[name].protocol, phase, one, "printed"))
    return [entry for entry in found if entry.task != "Avg."]
