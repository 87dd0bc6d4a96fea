"""Scripted data for OGBench's manipulation environments, driven by OGBench's own oracles.

    python -m envs.generate cube-single-task2 --rows 100000 --workers 2

`play` follows noisy plans towards random targets; `noisy` follows Markov policies with noise and random actions
(OGBench, section 4 and appendix). Every episode has a seed of its own, so the data does not depend on the number of
workers.
"""

import json
import math
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from tqdm import tqdm

from envs.command import Parser, non_negative, positive, run_command
from envs.datafile import data_files, sha256, staged_dataset
from envs.ogbench import InfoOnce, OGBenchTask
from envs.task import find_task

if TYPE_CHECKING:
    import gymnasium

Kind = Literal["play", "noisy"]
Episode = dict[str, np.ndarray]

GENERATOR_VERSION = 1  # raise it whenever the same seed gives other rows
STACKING = {"single": (0, 0), "double": (0, 0.25), "triple": (0.05, 0.35), "quadruple": (0.1, 0.5)}


@dataclass(frozen=True)
class Script:
    """What is generated: an OGBench environment, a kind of data, a seed and the length of episodes."""

    env: str
    kind: Kind
    seed: int
    episode_rows: int = 1001

    @property
    def random_action(self) -> float:
        """Probability of a uniformly random action."""
        return {"play": 0.0, "noisy": 0.2 if self.env.startswith("puzzle") else 0.1}[self.kind]

    def stacking(self, rng: np.random.Generator) -> float:
        """The episode's probability of stacking one cube onto another."""
        return rng.uniform(*STACKING.get(self.env.removeprefix("cube-"), (0.5, 0.5)))


def make_collection_env(script: Script) -> "gymnasium.Env":
    """OGBench's environment in its data-collection mode: random scenes, a new target at each request."""
    import gymnasium
    import ogbench  # noqa: F401  (registers the environments)

    env = gymnasium.make(
        f"{script.env}-v0",
        terminate_at_goal=False,
        mode="data_collection",
        max_episode_steps=script.episode_rows,
        disable_env_checker=True,
    )
    return InfoOnce(env)


def make_oracles(env: "gymnasium.Env", script: Script) -> dict[str, Any]:
    """OGBench's oracle for each kind of target that the environment sets."""
    if script.kind == "play":
        from ogbench.manipspace.oracles.plan.button_plan import ButtonPlanOracle as Button
        from ogbench.manipspace.oracles.plan.cube_plan import CubePlanOracle as Cube
        from ogbench.manipspace.oracles.plan.drawer_plan import DrawerPlanOracle as Drawer
        from ogbench.manipspace.oracles.plan.window_plan import WindowPlanOracle as Window

        settings = {"env": env, "noise": 0.1, "noise_smoothing": 0.5}
    else:
        from ogbench.manipspace.oracles.markov.button_markov import ButtonMarkovOracle as Button
        from ogbench.manipspace.oracles.markov.cube_markov import CubeMarkovOracle as Cube
        from ogbench.manipspace.oracles.markov.drawer_markov import DrawerMarkovOracle as Drawer
        from ogbench.manipspace.oracles.markov.window_markov import WindowMarkovOracle as Window

        settings = {"env": env, "min_norm": 0.4}
    return {
        "cube": Cube(**settings),
        "button": Button(gripper_always_closed=script.env.startswith("puzzle"), **settings),
        "drawer": Drawer(**settings),
        "window": Window(**settings),
    }


def roll_episode(env: "gymnasium.Env", script: Script, seeds: np.random.SeedSequence) -> Episode:
    """One episode in OGBench's file format, all randomness from `seeds`."""
    reset_seed, oracle_seed, driver_seed = (int(word) for word in seeds.generate_state(3))
    np.random.seed(oracle_seed)  # OGBench's oracles draw from numpy's global generator
    rng = np.random.default_rng(driver_seed)
    stacking, noise = script.stacking(rng), rng.uniform(0, 0.1)
    noise_scale = noise * np.array([1, 1, 1, 3, 10]) if script.kind == "noisy" else np.zeros(5)

    oracles = make_oracles(env, script)
    inner: Any = env.unwrapped
    obs, info = env.reset(seed=reset_seed)
    oracle = oracles[info["privileged/target_task"]]
    oracle.reset(obs, info)
    rows: list[dict[str, Any]] = []
    for _ in range(script.episode_rows):
        if rng.random() < script.random_action:
            action = rng.uniform(-1, 1, size=5)
        else:
            action = np.clip(oracle.select_action(obs, info) + noise_scale * rng.standard_normal(5), -1, 1)
        next_obs, _, _, _, info = env.step(action)
        rows.append(_row(obs, action, info))
        obs = next_obs
        if oracle.done:
            target_obs, info = inner.set_new_target(p_stack=stacking)
            oracle = oracles[info["privileged/target_task"]]
            oracle.reset(target_obs, info)
    episode = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    episode["terminals"] = np.arange(len(rows)) == len(rows) - 1
    return episode


def _row(obs: np.ndarray, action: np.ndarray, info: dict[str, Any]) -> dict[str, np.ndarray]:
    """The state before the step and the action taken in it."""
    row = {
        "observations": obs.astype(np.float32),
        "actions": action.astype(np.float32),
        "qpos": info["prev_qpos"].astype(np.float32),
        "qvel": info["prev_qvel"].astype(np.float32),
    }
    if "prev_button_states" in info:
        row["button_states"] = info["prev_button_states"].astype(np.int64)
    return row


def cube_stays_reachable(episode: Episode) -> bool:
    """Whether the scene's cube is always either on the reachable table or inside the drawer, as in OGBench's own data."""
    _, y, z = episode["qpos"][:, 14:17].T
    beyond_right = y >= 0.29
    beyond_left_but_not_in_drawer = (y <= -0.3) & ((z < 0.06) | (z > 0.08))
    return not np.any(beyond_right | beyond_left_but_not_in_drawer)


def accepted_episode(env: "gymnasium.Env", script: Script, split: int, index: int) -> Episode:
    """Episode `index` of a split: the first attempt that passes the environment's check."""
    for attempt in range(1000):
        episode = roll_episode(env, script, np.random.SeedSequence([script.seed, split, index, attempt]))
        if script.env != "scene" or cube_stays_reachable(episode):
            return episode
    raise RuntimeError(f"{script.env}: episode {index} was rejected 1000 times")


class _Worker:
    """What a worker process keeps between episodes."""

    script: Script
    env: "gymnasium.Env"

    @classmethod
    def start(cls, script: Script) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers Ctrl-C
        cls.script, cls.env = script, make_collection_env(script)

    @classmethod
    def roll(cls, job: tuple[int, int]) -> Episode:
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
    folder.mkdir(parents=True, exist_ok=True)  # fails now rather than hours later
    episodes = math.ceil(rows / script.episode_rows)
    counts = (episodes, math.ceil(episodes / 10))
    with tqdm(total=sum(counts) * script.episode_rows, desc=dataset, unit="row", unit_scale=True) as bar:
        try:
            train, val = roll_splits(script, counts, workers, bar)
        except BrokenProcessPool:
            raise OSError("a worker process was killed (out of memory?); fewer --workers may help") from None
    with staged_dataset(folder, dataset) as (val_path, sidecar_path, train_path):
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


def main() -> None:
    parser = Parser(prog="python -m envs.generate", description=__doc__.partition("\n")[0])
    parser.add_argument("task", help="a task of the suite, such as cube-single-task2; its dataset is generated")
    parser.add_argument("--rows", type=positive, default=1_000_000, help="rows, rounded up to whole episodes of 1001")
    parser.add_argument("--workers", type=positive, default=os.cpu_count(), help="processes (default: one a core)")
    parser.add_argument("--kind", choices=("play", "noisy"), default="play", help="OGBench's two kinds of data")
    parser.add_argument("--seed", type=non_negative, default=0, help="the same seed gives the same data")
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder to write to (default: data)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing dataset")
    arguments = parser.parse_args()
    task = find_task(arguments.task)
    if not isinstance(task, OGBenchTask):
        raise ValueError(f"data for {task.name} cannot be generated yet; data for OGBench's tasks can")
    script = Script(task.family, arguments.kind, arguments.seed)
    dataset = task.dataset.replace("-play-", f"-{arguments.kind}-")
    facts = generate(script, dataset, arguments.out, arguments.rows, arguments.workers, arguments.overwrite)
    print(f"{arguments.out / dataset}.npz: {facts['rows']} rows in {facts['episodes']} episodes")


if __name__ == "__main__":
    run_command(main)
