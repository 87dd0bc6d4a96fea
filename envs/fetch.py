"""Official OGBench data, downloaded from the first mirror that has it.

    python -m envs.fetch cube-double-task2

The files' hashes are kept in the sidecar when they first arrive; later downloads and loads are held to them.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from envs.command import Parser, run_command
from envs.datafile import data_files, read_sidecar, sha256, staged
from envs.ogbench import OGBenchTask
from envs.robomimic import RobomimicTask
from envs.task import Task, find_task

MIRRORS = ("https://rail.eecs.berkeley.edu/datasets/ogbench",)
TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte


def fetch(task: Task, folder: Path, mirrors: Sequence[str] = MIRRORS) -> Path:
    """The task's official training file in `folder`, downloaded with its validation file unless it is there.

    ConnectionError with one line when no mirror has it, FileExistsError when generated data has its name, ValueError
    for a file whose hash is not the one kept, and for tasks without official OGBench data.
    """
    if not isinstance(task, OGBenchTask):
        similar = f"; `python -m envs.generate {task.name}` makes similar data" if isinstance(task, RobomimicTask) else ""
        raise ValueError(f"{task.name}: only OGBench's datasets can be fetched yet{similar}")
    *_, sidecar, train = data_files(folder, task.dataset)
    known = read_sidecar(sidecar)
    if known.get("source") == "generated":
        raise FileExistsError(f"{train}: generated data has this name; fetch into another folder with --out")
    hashes = known.get("sha256", {})
    if train.exists():
        if hashes.get(train.name, found := sha256(train)) != found:
            raise ValueError(f"{train}: not the file that was fetched first (the SHA-256 differs); move it away")
        return train
    failures = []
    for mirror in mirrors:
        try:
            _download(task, folder, mirror.rstrip("/"), hashes)
            return train
        except (OSError, ValueError) as error:
            failures.append(f"{mirror}: {_reason(error)}")
    raise ConnectionError(
        f"no mirror has {task.dataset} ({'; '.join(failures)}); "
        f"`python -m envs.generate {task.name} --out {folder}` makes similar data"
    )


def _download(task: OGBenchTask, folder: Path, mirror: str, hashes: dict[str, str]) -> None:
    """Download, check and publish the task's two files and their sidecar from one mirror, or leave nothing behind."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=2**20, timeout=TIMEOUT)
    with staged(*data_files(folder, task.dataset)) as (val, sidecar, train):
        for path in (val, train):
            known_hash = hashes.get(path.name)
            pooch.retrieve(f"{mirror}/{path.name}", known_hash, path.name, path.parent, downloader=downloader)
            rows = task.read_rows(path)
        facts: dict[str, Any] = {
            "source": "fetched",
            "mirror": mirror,
            "rows": len(rows["terminals"]),
            "episodes": int(rows["terminals"].sum()),
            "sha256": {path.name: sha256(path) for path in (train, val)},
        }
        sidecar.write_text(json.dumps(facts, indent=2) + "\n")


def _reason(error: Exception) -> str:
    """Why a mirror failed, in one short line."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    if type(error).__module__.startswith("requests"):
        return type(error).__name__  # its text is a page of nested library errors
    return str(error).splitlines()[0]


def main() -> None:
    parser = Parser(prog="python -m envs.fetch", description=__doc__.partition("\n")[0])
    parser.add_argument("task", help="a task of the suite, such as cube-double-task2; its dataset is downloaded")
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder to write to (default: data)")
    parser.add_argument("--mirror", nargs="+", default=MIRRORS, metavar="URL", help="folders to try, in this order")
    arguments = parser.parse_args()
    print(fetch(find_task(arguments.task), arguments.out, arguments.mirror))


if __name__ == "__main__":
    run_command(main)
