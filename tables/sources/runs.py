"""Reading folders of records: what cannot be used is named, and the rest goes on."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from eval.results.record import Run, find, identity, read
from tables.rules import is_imported
from tables.sources.csv_file import read_csv
from tables.sources.means_file import holds_means
from tables.sources.publications import publication_of

CONFIG = {
    "task": str,
    "method": str,
    "preset": str,
    "protocol": str,
    "seeds": list,
    "offline_steps": int,
    "changes": dict,
    "algo": dict,
    "backbone": dict,
}


def places(given: list[Path] | None) -> list[Path]:
    """These files and folders, which must exist; where none are given, records/ and runs/ as far as they are there."""
    for path in given or ():
        if not path.exists():
            raise ValueError(f"{path}: no such file or folder")
    return given or [path for path in (Path("records"), Path("runs")) if path.exists()]


def files(given: list[Path] | None) -> list[Path]:
    """What may hold results in these places: each file once."""
    every = [file for path in places(given) for file in ([path] if path.is_file() else within(path))]
    return list({file.resolve(): file for file in every}.values())


def within(folder: Path) -> list[Path]:
    """What may hold results below a folder. What others published under a protocol counts where its own folder is named."""
    return [file for file in find(folder, (".jsonl", ".csv", ".json")) if file.parent == folder or not publication_of(file)]


def load(files: Iterable[Path]) -> list[Run]:
    """The runs in these records and CSV files; what is damaged is named on stderr. Other JSON files and means hold none."""
    runs: list[Run] = []
    for path in files:
        if path.suffix == ".json" or (path.suffix == ".csv" and holds_means(path)):
            continue
        try:
            found = read_csv(path) if path.suffix == ".csv" else [read(path, metrics=False)]
            for run in found:
                check(run)
            runs += found
        except ValueError as error:
            print(f"left out: {error}", file=sys.stderr)
        except OSError as error:
            print(f"left out: {path}: {error.strerror}", file=sys.stderr)
    return without_copies(runs)


def without_copies(runs: list[Run]) -> list[Run]:
    """Of several copies of one record the first of those that go furthest."""
    furthest: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: (len(run.evaluations), bool(run.end)), reverse=True):
        furthest.setdefault(identity(run.start), run)
    return [run for run in runs if is_imported(run) or furthest[identity(run.start)] is run]


def check(run: Run) -> None:
    """ValueError in one line for a record that lacks what a table needs of it."""
    need(run, run.start, {"created": str, "config": dict}, "its first line")
    need(run, run.start["config"], CONFIG, "its configuration")
    for evaluation in run.evaluations:
        step = f"the evaluation at step {evaluation['step']}"
        need(run, evaluation, {"seed": int, "phase": str, "step": int, "success": list}, step)
        if not is_share(evaluation["success"]):
            raise ValueError(f"{run.path}: {step} has no outcomes of episodes")
    if run.end:
        need(run, run.end, {"status": str}, "its end")


def is_share(outcomes: list[Any]) -> bool:
    """Whether these are outcomes of episodes, 0 or 1, or a share of solved ones."""
    try:
        return 0 <= min(outcomes) <= max(outcomes) <= 1
    except (TypeError, ValueError):
        return False


def need(run: Run, given: dict[str, Any], fields: Mapping[str, type], where: str) -> None:
    for name, kind in fields.items():
        if not isinstance(given.get(name), kind):
            raise ValueError(
                f"{run.path}: {where} has no {name}" if name not in given else f"{run.path}: {where} has {name} {given[name]!r}"
            )
