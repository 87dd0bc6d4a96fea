"""A dataset that does not fit into memory, as columns on disk, which runs read without loading them.

    python -m envs.unpack cube-quadruple-task2

Unpacked is `data/<dataset>.npz`, or else the shards `data/<dataset>/*.npz` in the order of their names. They may be deleted
afterwards. It is a command of its own, and not part of loading, as it writes tens of gigabytes and takes minutes.
"""

from pathlib import Path

from envs.command import Parser, first_line, run_command
from envs.task import find_task


def main() -> None:
    parser = Parser(prog="python -m envs.unpack", description=first_line(__doc__))
    parser.add_argument("task", help="a task of the suite, such as cube-quadruple-task2; its dataset is unpacked")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of datasets (default: data)")
    options = parser.parse_args()
    task = find_task(options.task)
    path = task.unpack(options.data)
    origin = task.load_dataset([options.data]).origin
    print(f"{path}: {origin['rows']} rows in {origin['episodes']} episodes")


if __name__ == "__main__":
    run_command(main)
