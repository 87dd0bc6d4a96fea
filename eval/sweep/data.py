"""Data made ready once, for all runs that need it: `python -m eval.sweep.data TASK --data FOLDER`.

A task's data are loaded; where that fails they are fetched, or generated if that was asked for, or unpacked, and loaded again,
which also computes the rewards that are kept. On a machine one process does so at a time, and the next finds it done.
"""

import fcntl
import os
from pathlib import Path

from envs.command import Parser, positive, run_command
from envs.task import Task, find_task


def prepare(task: Task, folder: Path, rows: int | None = None) -> None:
    """Do what is missing before the task's data can be loaded: with `rows`, generate so many instead of fetching.

    FileNotFoundError, ConnectionError or ValueError as loading, fetching and generating say it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f".{Path(task.dataset).name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            task.load_dataset([folder]) if rows else task.find_dataset(folder)
        except FileNotFoundError:
            if not rows:
                raise
            task.generate(folder, rows, workers=os.cpu_count() or 1)
        except ValueError as error:
            if "envs.unpack" not in str(error):  # it names its remedy
                raise
            task.unpack(folder)
            task.load_dataset([folder])


def main() -> None:
    parser = Parser(prog="python -m eval.sweep.data", description=__doc__)
    parser.add_argument("task")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of datasets (default: data)")
    parser.add_argument("--generate", type=positive, metavar="ROWS", help="make missing data instead of fetching them")
    options = parser.parse_args()
    prepare(find_task(options.task), options.data, options.generate)


if __name__ == "__main__":
    run_command(main)
