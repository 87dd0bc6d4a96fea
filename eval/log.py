"""Records for the tools that people watch runs in: `python -m eval.log RUN --to tensorboard DIR`.

Every metric, and every evaluation's success rate, mean return and mean length, over training steps; a seed is a run of its own.
Records stay the truth: training logs nothing twice, and this may be repeated into another folder. With `--follow` it goes on as
a record grows, until its run has ended or its process has. W&B writes offline; `wandb sync DIR/wandb/offline-run-*` sends that.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Protocol

from envs.command import Parser, first_line, import_extra, run_command
from envs.files.whole import claim
from eval.results import record
from eval.results.folder import RECORD

PAUSE = 2.0  # seconds between two looks at a growing record


class Log(Protocol):
    """Where the scalars of one seed go."""

    def write(self, step: int, scalars: dict[str, float]) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """A folder of events."""

    def __init__(self, folder: Path, run: record.Run, seed: int):
        self.writer = import_extra("tensorboardX", "log").SummaryWriter(str(folder / name_of(run) / f"seed{seed}"))
        self.writer.add_text("record", f"    {run.start['config']}")

    def write(self, step: int, scalars: dict[str, float]) -> None:
        for name, value in scalars.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


class WandB:
    """An offline run of W&B."""

    def __init__(self, folder: Path, run: record.Run, seed: int):
        wandb = import_extra("wandb", "log")
        folder.mkdir(parents=True, exist_ok=True)
        self.run = wandb.init(
            project="steerbench",
            group=name_of(run),
            name=f"{name_of(run)} seed {seed}",
            config={**run.start["config"], "seed": seed},
            dir=str(folder),
            mode="offline",
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
        )

    def write(self, step: int, scalars: dict[str, float]) -> None:
        self.run.log(scalars, step=step)

    def close(self) -> None:
        self.run.finish()


LOGS: dict[str, Callable[[Path, record.Run, int], Log]] = {"tensorboard": TensorBoard, "wandb": WandB}


def name_of(run: record.Run) -> str:
    """A name that tells runs apart."""
    config = run.start["config"]
    return f"{config['method']}-{config['task']}-{record.identity(run.start)[:6]}"


def scalars(run: record.Run, seed: int) -> Iterator[tuple[int, dict[str, float]]]:
    """Of one seed, by training step: metrics by phase and name, evaluations as rates and means."""
    index = run.start["config"]["seeds"].index(seed)
    found: dict[int, dict[str, float]] = {}
    for line in run.metrics:
        values = {f"{line['phase']}/{name}": each[index] for name, each in line["values"].items()}
        found.setdefault(run.training_step(line), {}).update(values)
    for line in run.evaluations:
        if line["seed"] == seed:
            told = [name for name in ("success", "return", "length", "score", "one_sample") if name in line]
            values = {f"evaluation/{name}": fmean(line[name]) for name in told}
            found.setdefault(run.training_step(line), {}).update(values)
    yield from sorted(found.items())


def log(run: record.Run, logs: dict[int, Log], done: set[tuple[int, int, str]]) -> None:
    """What is not `done` yet."""
    for seed, one in logs.items():
        for step, values in scalars(run, seed):
            new = {name: value for name, value in values.items() if (seed, step, name) not in done}
            if new:
                one.write(step, new)
                done.update((seed, step, name) for name in new)


def records(where: Path) -> list[Path]:
    """The record of a run's folder, a record, or all records below a folder. ValueError where there is none."""
    if not where.exists():
        raise ValueError(f"{where}: no such file or folder")
    own = where / RECORD
    found = [where] if where.is_file() else [own] if own.exists() else record.find(where)
    if not found:
        raise ValueError(f"{where}: no record")
    return found


def under_way(path: Path) -> bool:
    """Whether a process has the record at `path`, or may have it where the file system has no locks."""
    with open(path, "rb") as file:
        try:
            return not claim(file)
        except BlockingIOError:
            return True


def main() -> None:
    parser = Parser(prog="python -m eval.log", description=first_line(__doc__))
    parser.add_argument("run", type=Path, help="a run's folder, a record, or a folder of records")
    parser.add_argument("out", type=Path, metavar="DIR", help="where the logs go")
    parser.add_argument("--to", choices=LOGS, required=True)
    parser.add_argument("--follow", action="store_true", help="go on while the record grows, until its run has ended")
    options = parser.parse_args()
    for path in records(options.run):
        run, done = record.read(path), set[tuple[int, int, str]]()
        logs = {seed: LOGS[options.to](options.out, run, seed) for seed in run.start["config"]["seeds"]}
        try:
            log(run, logs, done)
            alive = options.follow
            while alive and not run.end:
                time.sleep(PAUSE)
                alive = under_way(path)  # asked first, so that what a dead run wrote last is read
                run = record.read(path)
                log(run, logs, done)
            if options.follow and not run.end:
                print(f"{path}: no process has it, and it has no end; --resume of its run would go on", file=sys.stderr)
        finally:
            for one in logs.values():
                one.close()
        print(f"{path}: {len(done)} scalars of {len(logs)} seeds to {options.out}")


if __name__ == "__main__":
    run_command(main)
