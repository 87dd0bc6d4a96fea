"""Datasets of scripted demonstrations, in robomimic's format, as many as its multi-human data has."""

import json
from contextlib import closing
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from envs.command import progress
from envs.files.hdf5 import DemoWriter, create_demos
from envs.files.sidecar import sha256
from envs.files.whole import staged
from envs.scripts.demonstrate import demonstrate, make_demonstration_env
from envs.scripts.pool import scripted
from envs.suites.robomimic import RobomimicTask
from envs.suites.robosuite_env import robosuite_settings

GENERATOR_VERSION = 1  # raise it whenever the same seed gives other rows
DEMOS = 300  # demonstrations of a task in robomimic's multi-human data


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
    jobs = ((task, seed, index) for index in (count() if rows else range(DEMOS)))
    demos = scripted(make_demonstration_env, (task,), demonstrate, jobs, workers)
    with closing(demos), progress(total=total, desc=task.dataset, unit=unit, unit_scale=bool(rows)) as bar:
        for demo in demos:
            writer.write(demo)
            done = writer.rows if rows else writer.demos
            bar.update(min(done, total) - bar.n)
            if done >= total:
                break
