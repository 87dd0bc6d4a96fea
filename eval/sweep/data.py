"""Data made ready once, for all runs that need it: `python -m eval.sweep.data TASK --data FOLDER`.

A task's data are loaded; where that fails they are fetched, or generated if that was asked for, or unpacked, and loaded again,
which also computes the rewards that are kept. On a machine one process does so at a time, and the next finds it done; in a
folder that cannot be written nothing can be made, and data that are there are only loaded.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from envs.command import Parser, positive, run_command
from envs.task import Task, find_task


def prepare(task: Task, folder: Path, rows: int | None = None) -> None:
    """Do what is missing before the task's data can be loaded: with `rows`, generate so many instead of fetching.

    FileNotFoundError, ConnectionError or ValueError as loading, fetching and generating say it.
    """
    with alone(folder, Path(task.dataset).name):
        try:
            task.load_dataset([folder]) if rows else task.find_dataset(folder)
        except FileNotFoundError as missing:
            if not rows:
                raise
            try:
                task.generate(folder, rows, workers=os.cpu_count() or 1)
            except ValueError as error:
                raise ValueError(f"{missing}; {error}") from None
        except ValueError as error:
            if "envs.unpack" not in str(error):  # it names its remedy
                raise
            task.unpack(folder)
            task.load_dataset([folder])


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """No other process of this machine is in here, for this folder and name; any is where the folder cannot be written."""
    with ExitStack() as held:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            fcntl.flock(held.enter_context(open(folder / f".{name}.lock", "w")), fcntl.LOCK_EX)
        yield


def main() -> None:
    parser = Parser(prog="python -m eval.sweep.data", description=__doc__)
    parser.add_argument("task")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of datasets (default: data)")
    parser.add_argument("--generate", type=positive, metavar="ROWS", help="make missing data instead of fetching them")
    options = parser.parse_args()
    prepare(find_task(options.task), options.data, options.generate)


if __name__ == "__main__":
    run_command(main)
