"""From run records to a table of success rates."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from eval.results.record import Run, score
from tables import added, rules
from tables.commands import command
from tables.result import Cell, Gap, Line, Number, Result
from tables.spec import Column, Row, Table, belongs

Found = Mapping[tuple[str, str, str, str], Sequence[Run]]  # by method, task, preset and protocol


def build(name: str, table: Table, runs: Sequence[Run], preset: str = "paper", mixed: bool = False) -> Result:
    """The table that the records give. `mixed` shows means that the rules refuse, with a footnote."""
    found: dict[tuple[str, str, str, str], list[Run]] = defaultdict(list)
    preset = table.preset or preset
    for run in runs:
        config = run.start["config"]
        own = preset if rules.is_from_elsewhere(run) else config["preset"]
        found[config["method"], config["task"], own, config["protocol"]].append(run)
    how = [phase_by_phase if row.added else cell for row in table.rows]
    grid = [[of(table, row, c, found, preset, mixed) for c in table.columns] for row, of in zip(table.rows, how, strict=True)]
    single = [(column.label, i) for i, column in enumerate(table.columns) if len(column.tasks) == 1]
    notes = [note for label, i in single if (note := rules.unlike(label, (line[i] for line in grid)))]
    if any(row.added for row in table.rows):
        dfp = [cell(table, added.DFP, column, found, preset, mixed) for column in table.columns]
        notes += added.differences(table.rows, grid, dfp)
    if table.tail:
        grid, told = with_moments(table, grid)
        notes += told
    if table.average:
        grid = [[*line, rules.average(line)] for line in grid]
    columns = [column.label for column in table.columns] + ["Avg."] * table.average
    labels = [row.label for row in table.rows]
    result = assemble(name, table, f"{table.title}. Preset {preset}.", labels, columns, grid, notes)
    return replace(result, left_out=tuple(added.left_out(table, runs, preset)))


def assemble(
    name: str,
    table: Table,
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    grid: Sequence[Sequence[Cell]],
    notes: Sequence[str],
) -> Result:
    """A grid of methods by columns, ranked and laid out as the table is printed."""
    cells = rules.ranked(grid, table.decimals[0])
    lines = tuple(Line(label, tuple(line)) for label, line in zip(rows, cells, strict=True))
    result = Result(name, title, tuple(columns), lines, tuple(notes), table.phases, table.decimals)
    return result.transposed("task") if table.tasks_down else result


def cell(table: Table, row: Row, column: Column, found: Found, preset: str, mixed: bool = False) -> Cell:
    """The cell of a row and a column, as the rules say."""
    rates: list[dict[str, dict[int, float]]] = [{} for _ in table.phases]
    runs: dict[int, Run] = {}
    notes: list[str] = []
    gaps: list[Gap] = []
    refused = False
    for task in column.tasks:
        own = [run for run in found.get((row.method, task, preset, table.protocol), ()) if belongs(run.start["config"], row)]
        by_seed, remarks = rules.counted(own, table.phases)
        notes += remarks
        if by_seed and (conflict := rules.conflict(by_seed.values(), table.phases, table.tail)):
            refused |= not mixed
            notes.append(f"mixed: {conflict}" if mixed else f"refused: {conflict}; --mixed shows the mean")
        for by_task, phase in zip(rates, table.phases, strict=True):
            by_task[task] = {seed: rate(run, seed, phase, table.tail) for seed, run in by_seed.items()}
        runs |= {id(run): run for run in by_seed.values()}
        gaps += missing(table, row, task, preset, by_seed)
    used = tuple(runs.values())
    numbers = tuple(Number(rates=by_task) if refused else rules.summarise(by_task) for by_task in rates)
    word = "refused" if refused else ""
    return Cell(numbers, word, table.seeds, used, tuple(rules.remarks(used) + notes), tuple(gaps))


def phase_by_phase(table: Table, row: Row, column: Column, found: Found, preset: str, mixed: bool = False) -> Cell:
    """The same of each phase by itself: a run without one of them counts in the other."""
    cells = [cell(replace(table, phases=(phase,)), row, column, found, preset, mixed) for phase in table.phases]
    return Cell(
        tuple(number for one in cells for number in one.numbers),
        next((one.word for one in cells if one.word), ""),
        table.seeds,
        tuple({id(run): run for one in cells for run in one.runs}.values()),
        tuple(dict.fromkeys(note for one in cells for note in one.notes)),
        tuple({gap.command: gap for one in cells for gap in one.gaps}.values()),
    )


def with_moments(table: Table, grid: list[list[Cell]]) -> tuple[list[list[Cell]], list[str]]:
    """Which evaluations a number is the mean of: said under the table, or, where cells differ in it, at each of them."""

    def of(cell: Cell) -> list[str]:
        found = dict.fromkeys(rules.moments(run, table.phases, table.tail) for run in cell.runs)
        return [f"a seed's number is the mean of {moments}" for moments in found]

    said = list(dict.fromkeys(note for line in grid for cell in line for note in of(cell)))
    if len(said) < 2:
        return grid, [note[0].upper() + note[1:] + "." for note in said]
    return [[replace(cell, notes=(*cell.notes, *of(cell))) for cell in line] for line in grid], []


def rate(run: Run, seed: int, phase: str, tail: float = 0.0) -> float:
    """A seed's success rate in percent, as the mean of the evaluations that the rules average."""
    return statistics.fmean(map(score, rules.averaged(run.of(seed, phase), tail)))


def missing(table: Table, row: Row, task: str, preset: str, seeds: Iterable[int]) -> list[Gap]:
    """The seeds that a cell lacks, if it lacks any."""
    have = set(seeds)
    lacking = tuple(seed for seed in range(table.seeds) if seed not in have)[: max(table.seeds - len(have), 0)]
    if not lacking or preset == "imported" or row.added:
        return []
    fills = command(row, task, preset, table.protocol, lacking)
    return [Gap(fills, row.label, row.method, preset, task, table.protocol, lacking, table.seeds)]
