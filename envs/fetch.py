"""Official data, downloaded from the first mirror that has them: OGBench's play data, robomimic's human demonstrations.

    python -m envs.fetch cube-double-task2
    python -m envs.fetch lift
    python -m envs.fetch cube-quadruple-task2      a hundred files of a million rows, for envs.unpack

The files' hashes are kept in the sidecar when they first arrive; later downloads and loads are held to them.
"""

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from envs.command import Parser, first_line, run_command
from envs.files.npz import data_files, read_sidecar, sha256, staged
from envs.suites.ogbench import OGBenchTask
from envs.suites.robomimic import RobomimicTask
from envs.task import Task, find_task

OGBENCH = ("https://rail.eecs.berkeley.edu/datasets/ogbench",)
ROBOMIMIC = tuple(
    f"https://{host}/datasets/robomimic/robomimic_datasets/resolve/74fa018461f479cd9fd15b924a16103012096203/v1.5"
    for host in ("huggingface.co", "hf-mirror.com")
)
SHARDED = ("cube-quadruple-play-100m-v0",)  # datasets that are folders of files, too large to be fetched unasked
TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte


def fetch(task: Task, folder: Path, mirrors: Sequence[str] | None = None) -> Path:
    """The task's official training file in `folder`, downloaded with what belongs to it unless it is there.

    ConnectionError with one line when no mirror has it, FileExistsError when generated data has its name, ValueError
    for a file whose hash is not the one kept, and for tasks that have no data of their own. A sharded dataset is a folder.
    """
    mirrors = mirrors or (OGBENCH if isinstance(task, OGBenchTask) else ROBOMIMIC)
    if task.dataset in SHARDED:
        _try(mirrors, task, folder, lambda mirror: _fetch_shards(task, folder / task.dataset, mirror))
        return folder / task.dataset
    return _fetch_file(task, official_files(task, folder), mirrors)


def _fetch_shards(task: Task, folder: Path, mirror: str) -> None:
    """Every file that the dataset's index page names; those that are there already are kept."""
    import requests

    page = requests.get(f"{mirror}/{task.dataset}/", timeout=TIMEOUT)
    page.raise_for_status()
    names = sorted(set(re.findall(r'href="([\w.-]+(?<!-val)\.npz)"', page.text)))
    if not names:
        raise ValueError("its page names no .npz file")
    for name in names:
        path = folder / name
        hashes = _known_hashes(path)
        if not path.exists():
            _download(task, {path: f"{task.dataset}/{name}"}, mirror, hashes)


def _fetch_file(task: Task, files: dict[Path, str], mirrors: Sequence[str]) -> Path:
    """The last of `files`, called by its values below a mirror, downloaded with the others unless it is there."""
    *_, train = files
    hashes = _known_hashes(train)
    if not train.exists():
        _try(mirrors, task, train.parent, lambda mirror: _download(task, files, mirror, hashes))
    return train


def _known_hashes(train: Path) -> dict[str, str]:
    """What was kept of earlier downloads; an error when the file is generated data or not the one that came first."""
    known = read_sidecar(train.with_suffix(".json"))
    if known.get("source") == "generated":
        raise FileExistsError(f"{train}: generated data has this name; fetch into another folder with --data")
    hashes: dict[str, str] = known.get("sha256", {})
    if train.exists() and hashes.get(train.name, found := sha256(train)) != found:
        raise ValueError(f"{train}: not the file that was fetched first (the SHA-256 differs); move it away")
    return hashes


def _try(mirrors: Sequence[str], task: Task, folder: Path, download: Callable[[str], None]) -> None:
    """Download from the first mirror from which it works; ConnectionError when it is none."""
    failures = []
    for mirror in mirrors:
        try:
            return download(mirror.rstrip("/"))
        except (OSError, ValueError) as error:
            failures.append(f"{mirror}: {_reason(error)}")
    raise ConnectionError(
        f"no mirror has {task.dataset} ({'; '.join(failures)}); "
        f"`python -m envs.generate {task.name} --data {folder}` makes similar data"
    )


def official_files(task: Task, folder: Path) -> dict[Path, str]:
    """The official files of a task in `folder`, the training file last, and what each is called below a mirror."""
    if isinstance(task, OGBenchTask):
        val, _, train = data_files(folder, task.dataset)
        return {val: val.name, train: train.name}
    if isinstance(task, RobomimicTask):
        return {folder / f"{task.dataset}.hdf5": f"{task.name}/mh/low_dim_v15.hdf5"}
    raise ValueError(f"{task.name}: makes its own data, there is nothing to fetch")


def _download(task: Task, files: dict[Path, str], mirror: str, hashes: dict[str, str]) -> None:
    """Download, check and publish a task's files and their sidecar from one mirror, or leave nothing behind."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=2**20, timeout=TIMEOUT)
    *others, train = files
    with staged(*others, train.with_suffix(".json"), train) as paths:
        *arriving, new_sidecar, new_train = paths
        for path, target in zip((*arriving, new_train), files, strict=True):
            url, known_hash = f"{mirror}/{files[target]}", hashes.get(target.name)
            pooch.retrieve(url, known_hash, path.name, path.parent, downloader=downloader)
            rows, episodes = _size(task, path)
        facts: dict[str, Any] = {
            "source": "fetched",
            "mirror": mirror,
            "rows": rows,
            "episodes": episodes,
            "sha256": {path.name: sha256(path) for path in (new_train, *arriving)},
        }
        new_sidecar.write_text(json.dumps(facts, indent=2) + "\n")


def _size(task: Task, path: Path) -> tuple[int, int]:
    """Rows and episodes of a file; ValueError when it does not hold the task's data."""
    if isinstance(task, RobomimicTask):
        data = task.read_demos(path)
        return len(data.obs), len(data.ends)
    assert isinstance(task, OGBenchTask)
    terminals = task.read_rows(path)["terminals"]
    return len(terminals), int(terminals.sum())


def _reason(error: Exception) -> str:
    """Why a mirror failed, in one short line."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    if type(error).__module__.startswith("requests"):
        return type(error).__name__  # its text is a page of nested library errors
    return str(error).splitlines()[0]


def main() -> None:
    parser = Parser(prog="python -m envs.fetch", description=first_line(__doc__))
    parser.add_argument("task", help="a task of the suite, such as cube-double-task2; its dataset is downloaded")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder to write to (default: data)")
    parser.add_argument("--mirror", nargs="+", metavar="URL", help="folders to try, in this order, instead of the known ones")
    arguments = parser.parse_args()
    print(fetch(find_task(arguments.task), arguments.data, arguments.mirror))


if __name__ == "__main__":
    run_command(main)
