"""Scripted data: OGBench's environments driven by its own oracles, robomimic's by scripted operators.

    python -m envs.generate cube-single-task2 --rows 100000 --workers 2
    python -m envs.generate lift --workers 2

How an episode is scripted is in envs/scripts: play.py for OGBench, demonstrate.py for robomimic. Each episode has a seed of its
own, so the data does not depend on the number of workers.
"""

import json
import math
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import asdict
from importlib.metadata import version
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from envs.command import Parser, first_line, non_negative, positive, run_command
from envs.files.hdf5 import Demo, DemoWriter, create_demos
from envs.files.npz import data_files, sha256, staged
from envs.scripts.demonstrate import demonstrate, make_demonstration_env
from envs.scripts.play import Episode, Script, accepted_episode, make_collection_env
from envs.suites.ogbench import OGBenchTask
from envs.suites.robomimic import RobomimicTask, RobosuiteEnv, robosuite_settings
from envs.task import find_task

if TYPE_CHECKING:
    import gymnasium

GENERATOR_VERSION = 1  # raise it whenever the same seed gives other rows
DEMOS = 300  # demonstrations of a task in robomimic's multi-human data


class _Worker:
    """What a worker process keeps between episodes. Its first job makes the environment: what fails there is said as it is."""

    script: Script
    env: "gymnasium.Env | None" = None

    @classmethod
    def start(cls, script: Script) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers Ctrl-C
        cls.script = script

    @classmethod
    def roll(cls, job: tuple[int, int]) -> Episode:
        cls.env = cls.env or make_collection_env(cls.script)
        return accepted_episode(cls.env, cls.script, *job)


def roll_splits(script: Script, counts: Sequence[int], workers: int, bar: tqdm) -> list[Episode]:
    """The rows of `counts[split]` episodes for each split, end to end, rolled out in `workers` processes."""
    length = script.episode_rows
    splits: list[Episode] = [{} for _ in counts]
    jobs = [(split, index) for split, count in enumerate(counts) for index in range(count)]
    context = multiprocessing.get_context("spawn")  # a fork would break threads that the calling process may hold
    with (
        one_thread_each(),
        ProcessPoolExecutor(min(workers, len(jobs)), context, initializer=_Worker.start, initargs=(script,)) as pool,
    ):
        for (split, index), episode in zip(jobs, pool.map(_Worker.roll, jobs), strict=True):
            for key, rows in episode.items():
                if index == 0:
                    splits[split][key] = np.empty((counts[split] * length, *rows.shape[1:]), rows.dtype)
                splits[split][key][index * length : (index + 1) * length] = rows
            bar.update(length)
    return splits


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes started in here use one thread for linear algebra: theirs is on 6 x 6 matrices."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    saved = {name: os.environ[name] for name in names if name in os.environ}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]
        os.environ.update(saved)


def generate(
    script: Script, dataset: str, folder: Path, rows: int, workers: int = 1, overwrite: bool = False
) -> dict[str, Any]:
    """Write `dataset` into `folder`: `rows` rows rounded up to whole episodes, and a tenth for validation.

    Nothing is written before all of it is there. Returns the sidecar's facts. FileExistsError when the dataset exists
    and `overwrite` is not set.
    """
    existing = data_files(folder, dataset)[-1]
    if existing.exists() and not overwrite:
        raise FileExistsError(f"{existing} exists already; --overwrite replaces it")
    episodes = math.ceil(rows / script.episode_rows)
    counts = (episodes, math.ceil(episodes / 10))
    with staged(*data_files(folder, dataset)) as (val_path, sidecar_path, train_path):  # first: the folder may not be writable
        with tqdm(total=sum(counts) * script.episode_rows, desc=dataset, unit="row", unit_scale=True) as bar:
            try:
                train, val = roll_splits(script, counts, workers, bar)
            except BrokenProcessPool:
                raise OSError("a worker process was killed (out of memory?); fewer --workers may help") from None
        np.savez_compressed(val_path, **val)
        np.savez_compressed(train_path, **train)
        facts = {
            "source": "generated",
            "generator": GENERATOR_VERSION,
            "script": asdict(script),
            "rows": episodes * script.episode_rows,
            "episodes": episodes,
            "versions": {package: version(package) for package in ("ogbench", "mujoco", "numpy")},
            "sha256": {path.name: sha256(path) for path in (train_path, val_path)},
        }
        sidecar_path.write_text(json.dumps(facts, indent=2) + "\n")
    return facts


class _Operators:
    """What a worker process keeps between demonstrations; as in `_Worker`, the first job makes the environment."""

    task: RobomimicTask
    seed: int
    env: RobosuiteEnv | None = None

    @classmethod
    def start(cls, task: RobomimicTask, seed: int) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers Ctrl-C
        cls.task, cls.seed = task, seed

    @classmethod
    def demonstrate(cls, index: int) -> Demo:
        cls.env = cls.env or make_demonstration_env(cls.task)
        return demonstrate(cls.env, cls.task, cls.seed, index)


def roll_demos(task: RobomimicTask, seed: int, demos: int | None, workers: int) -> Generator[Demo, None, None]:
    """Demonstrations 0, 1, 2, ... up to `demos` (None: without end), rolled out in `workers` processes, a few ahead."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_Operators.start, initargs=(task, seed))
    indices = iter(range(demos)) if demos is not None else count()
    try:
        with one_thread_each():
            ahead = deque(pool.submit(_Operators.demonstrate, index) for index in islice(indices, 2 * workers))
            while ahead:
                yield ahead.popleft().result()
                ahead.extend(pool.submit(_Operators.demonstrate, index) for index in islice(indices, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def generate_demos(
    task: RobomimicTask, folder: Path, seed: int, rows: int | None = None, workers: int = 1, overwrite: bool = False
) -> dict[str, Any]:
    """Write the task's demonstrations into `folder`: `DEMOS` of them, or as many as hold `rows` transitions.

    Nothing is written before all of it is there. Returns the sidecar's facts. FileExistsError when the dataset exists
    and `overwrite` is not set; ImportError where robosuite or h5py are missing.
    """
    existing = folder / f"{task.dataset}.hdf5"
    if existing.exists() and not overwrite:
        raise FileExistsError(f"{existing} exists already; --overwrite replaces it")
    task.make_env().close()  # fails now, in one line, where robosuite is missing
    with staged(existing.with_suffix(".json"), existing) as (sidecar_path, path):
        with create_demos(path) as writer:
            _write_demos(writer, task, seed, rows, workers)
            env_args = {"env_name": task.env, "env_version": version("robosuite"), "type": 1}
            shuffled = np.random.default_rng([seed, 2]).permutation(writer.demos)
            valid = set(shuffled[: max(writer.demos // 10, min(1, writer.demos - 1))])
            writer.finish({**env_args, "env_kwargs": robosuite_settings(task.env)}, valid)
        facts = {
            "source": "generated",
            "generator": GENERATOR_VERSION,
            "script": {"env": task.env, "kind": "demonstrations", "seed": seed},
            "rows": writer.rows,
            "episodes": writer.demos,
            "attempts": writer.attempts,
            "versions": {package: version(package) for package in ("robosuite", "mujoco", "numpy")},
            "sha256": {path.name: sha256(path)},
        }
        sidecar_path.write_text(json.dumps(facts, indent=2) + "\n")
    return facts


def _write_demos(writer: DemoWriter, task: RobomimicTask, seed: int, rows: int | None, workers: int) -> None:
    """Write `DEMOS` demonstrations, or as many as hold `rows` transitions, with a progress bar."""
    total, unit = (rows, "row") if rows else (DEMOS, "demo")
    demos = roll_demos(task, seed, None if rows else DEMOS, workers)
    with closing(demos), tqdm(total=total, desc=task.dataset, unit=unit, unit_scale=bool(rows)) as bar:
        try:
            for demo in demos:
                writer.write(demo)
                done = writer.rows if rows else writer.demos
                bar.update(min(done, total) - bar.n)
                if done >= total:
                    break
        except BrokenProcessPool:
            raise OSError("a worker process was killed (out of memory?); fewer --workers may help") from None


def main() -> None:
    parser = Parser(prog="python -m envs.generate", description=first_line(__doc__))
    parser.add_argument("task", help="a task of the suite, such as cube-single-task2 or lift; its dataset is generated")
    rows_help = f"rows, rounded up to whole episodes (default: OGBench 1000000, robomimic {DEMOS} demonstrations)"
    parser.add_argument("--rows", type=positive, help=rows_help)
    parser.add_argument("--workers", type=positive, default=os.cpu_count(), help="processes (default: one a core)")
    parser.add_argument("--kind", choices=("play", "noisy"), help="OGBench's two kinds of data (default: play)")
    parser.add_argument("--seed", type=non_negative, default=0, help="the same seed gives the same data")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder to write to (default: data)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing dataset")
    arguments = parser.parse_args()
    task = find_task(arguments.task)
    if isinstance(task, RobomimicTask):
        path, facts = _generate_robomimic(task, arguments)
    elif isinstance(task, OGBenchTask):
        path, facts = _generate_ogbench(task, arguments)
    else:
        raise ValueError(f"data for {task.name} cannot be generated; data for OGBench's and robomimic's tasks can")
    print(f"{path}: {facts['rows']} rows in {facts['episodes']} episodes")


def _generate_ogbench(task: OGBenchTask, arguments: Any) -> tuple[Path, dict[str, Any]]:
    script = Script(task.family, arguments.kind or "play", arguments.seed)
    dataset = task.dataset.replace("-play-", f"-{script.kind}-")
    rows = arguments.rows or 1_000_000
    facts = generate(script, dataset, arguments.data, rows, arguments.workers, arguments.overwrite)
    return arguments.data / f"{dataset}.npz", facts


def _generate_robomimic(task: RobomimicTask, arguments: Any) -> tuple[Path, dict[str, Any]]:
    if arguments.kind is not None:
        raise ValueError(f"{task.name}: --kind {arguments.kind} is OGBench's alone; its data are demonstrations")
    facts = generate_demos(task, arguments.data, arguments.seed, arguments.rows, arguments.workers, arguments.overwrite)
    return arguments.data / f"{task.dataset}.hdf5", facts


if __name__ == "__main__":
    run_command(main)
