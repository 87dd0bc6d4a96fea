"""A dataset that does not fit into memory, as columns on disk, which runs read without loading them.

    python -m envs.unpack cube-quadruple-task2

Unpacked is `data/<dataset>.npz`, or else the shards `data/<dataset>/*.npz` in the order of their names. They may be deleted
afterwards. It is a command of its own, and not part of loading, as it writes tens of gigabytes and takes minutes.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from envs.command import Parser, first_line, run_command
from envs.files.mapped import INDEX, open_columns, unpacked_folder, write_columns
from envs.files.npz import origin_of, read_headers
from envs.suites.ogbench import OGBenchTask
from envs.task import find_task


def unpack(task: OGBenchTask, folder: Path) -> Path:
    """The folder with the columns of the task's data in `folder`; columns that are there already are checked instead.

    FileNotFoundError when there is nothing to unpack, OSError when the disk has no room, ValueError for data that are
    damaged. Memory does not depend on the size of the data.
    """
    target, files = unpacked_folder(folder, task.dataset), task.sources(folder)
    if (target / INDEX).exists():
        open_columns(target, task.shapes, check=True)
        return target
    if not files:
        raise FileNotFoundError(f"no {task.dataset}.npz and no {task.dataset}/*.npz in {folder}")
    headers = [read_headers(path, task.shapes) for path in files]
    types = {key: np.result_type(*(header[key].dtype for header in headers)) for key in task.shapes}
    types |= {"observations": np.dtype(np.float32), "actions": np.dtype(np.float32), "terminals": np.dtype(bool)}
    columns = {key: (headers[0][key].shape[1:], types[key]) for key in task.shapes}
    rows = sum(header["terminals"].shape[0] for header in headers)
    with tqdm(total=rows, desc=target.name, unit="row", unit_scale=True) as bar:

        def blocks() -> Iterator[dict[str, np.ndarray]]:
            for path in files:
                for block in task.read_blocks(path):
                    yield block
                    bar.update(len(block["terminals"]))

        facts = {"origin": _origin(files), "sources": {path.name: path.stat().st_size for path in files}}
        write_columns(target, rows, columns, blocks(), facts)
    return target


def _origin(files: list[Path]) -> dict[str, Any]:
    """Where one file comes from, or what holds for all of several; their hash is that of their hashes."""
    origins = [origin_of(path) for path in files]
    if len(origins) == 1:
        return origins[0]
    hashes = hashlib.sha256("".join(origin["sha256"] for origin in origins).encode())
    sources = sorted({origin["source"] for origin in origins})
    return {"source": " and ".join(sources), "files": len(files), "sha256": hashes.hexdigest()}


def main() -> None:
    parser = Parser(prog="python -m envs.unpack", description=first_line(__doc__))
    parser.add_argument("task", help="a task of the suite, such as cube-quadruple-task2; its dataset is unpacked")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of datasets (default: data)")
    arguments = parser.parse_args()
    task = find_task(arguments.task)
    if not isinstance(task, OGBenchTask):
        raise ValueError(f"{task.name}: only OGBench's datasets can be unpacked; others fit into memory")
    path = unpack(task, arguments.data)
    origin = task.load_dataset([arguments.data]).origin
    print(f"{path}: {origin['rows']} rows in {origin['episodes']} episodes")


if __name__ == "__main__":
    run_command(main)
