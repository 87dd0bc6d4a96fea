"""Scripted data: OGBench's environments driven by its own oracles, robomimic's by scripted operators.

    python -m envs.generate cube-single-task2 --rows 100000 --workers 2
    python -m envs.generate lift --workers 2

How an episode is scripted, and what a dataset of them is, is in envs/scripts.
"""

import os
from pathlib import Path

from envs.command import Parser, first_line, non_negative, positive, run_command
from envs.task import find_task


def main() -> None:
    parser = Parser(prog="python -m envs.generate", description=first_line(__doc__))
    parser.add_argument("task", help="a task of the suite, such as cube-single-task2 or lift; its dataset is generated")
    rows_help = "rows, rounded up to whole episodes (default: OGBench 1000000, robomimic 300 demonstrations)"
    parser.add_argument("--rows", type=positive, help=rows_help)
    parser.add_argument(
        "--workers", type=positive, default=len(os.sched_getaffinity(0)), help="processes (default: one a core)"
    )
    kind_help = "OGBench's kinds of data (default: the task's); wander: random motion where no script can walk"
    parser.add_argument("--kind", choices=("play", "noisy", "wander"), help=kind_help)
    parser.add_argument("--seed", type=non_negative, default=0, help="the same seed gives the same data")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder to write to (default: data)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing dataset")
    options = parser.parse_args()
    path, facts = find_task(options.task).generate(
        options.data, options.rows, options.seed, options.workers, options.kind, options.overwrite
    )
    print(f"{path}: {facts['rows']} rows in {facts['episodes']} episodes")


if __name__ == "__main__":
    run_command(main)
