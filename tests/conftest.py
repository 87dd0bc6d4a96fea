"""Small problems that several tests share: tiny learners of any pair, random batches for them, a little data of both suites."""

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator

from algos.base import Algorithm, Batch
from algos.learner import Learner
from backbones.base import Backbone
from backbones.dense import has_bfloat16
from envs.outside import tidy
from envs.scripts.demonstration_dataset import generate_demos
from envs.scripts.play import Script
from envs.scripts.play_dataset import generate
from envs.task import find_task
from eval.config.config import find_part
from tests import subjects

torch.set_num_threads(1)  # for nets this small, a second thread only waits for the first

GPU = torch.cuda.is_available()  # asked here, before a test hides it
OBS, ACTION = 3, 2  # sizes of an observation and of one action
SMALL = {  # whichever of these options a class has; odd widths, so that no parameter fills whole vector registers
    "width": 11,
    "depth": 2,
    "critic_width": 9,
    "critic_depth": 2,
    "horizon": 2,
    "batch_size": 5,
    "learning_rate": 1e-2,
    "target_rate": 0.1,
    "old_policy_rate": 0.2,
    "num_candidates": 6,
    "num_elites": 2,
    "best_of": 3,
    "target_best_of": 3,
    "num_generated": 4,
    "flow_steps": 3,
    "diffusion_steps": 3,
    "num_levels": 5,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    for option in ("--backbone", "--algo"):
        parser.addoption(option, metavar="FILE", help="run the contract tests alone, of the class that this file defines")


def pytest_configure(config: pytest.Config) -> None:
    for option, kind in (("--backbone", Backbone), ("--algo", Algorithm)):
        if name := config.getoption(option):
            subjects.given[kind] = tidy(name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With a file from outside, only the tests of it."""
    names = set(subjects.given.values())
    if names:
        items[:] = [item for item in items if names & {str(value) for value in of(item)}]


def of(item: pytest.Item) -> list[Any]:
    """What a test is a test of."""
    return [*item.callspec.params.values()] if hasattr(item, "callspec") else []


def make(kind: Any, name: str, **options: Any) -> Any:
    cls = find_part(kind, name)
    own = {field.name for field in fields(cls)}
    return cls(**{key: value for key, value in (SMALL | options).items() if key in own or key in options})


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not GPU:
        pytest.skip("no GPU is here")


@pytest.fixture(autouse=True)
def hidden_gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that are not marked `gpu` see none, nor do the processes that they start."""
    if GPU and not request.node.get_closest_marker("gpu"):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture(autouse=True, scope="session")
def no_opengl() -> None:
    os.environ["MUJOCO_GL"] = "disable"  # test files that import robosuite have set it to egl by now


@pytest.fixture(autouse=True)
def same_numbers_in_any_order_of_tests() -> None:
    torch.manual_seed(0)


@pytest.fixture
def bfloat16() -> None:
    """Skips a test that computes in bfloat16 where the processor cannot."""
    if not has_bfloat16():
        pytest.skip("no products in bfloat16 on this processor")


@pytest.fixture
def tiny_backbone() -> Callable[..., Backbone]:
    """A small instance of the backbone with this name."""
    return lambda name, **options: make(Backbone, name, **options)


@pytest.fixture
def tiny_algorithm() -> Callable[..., Algorithm]:
    """A small instance of the algorithm with this name."""
    return lambda name, **options: make(Algorithm, name, **options)


@pytest.fixture
def tiny_learner(tiny_backbone: Any, tiny_algorithm: Any) -> Callable[..., Learner]:
    """A learner of one pair: options are the algorithm's."""

    def build(algorithm: str, backbone: str, seeds: tuple[int, ...] = (0,), compile: bool = False, **options: Any) -> Learner:
        return Learner(tiny_algorithm(algorithm, **options), tiny_backbone(backbone), OBS, ACTION, seeds, compile=compile)

    return build


@pytest.fixture
def random_batch() -> Callable[..., Batch]:
    """A batch [S, B, ...] for a learner; seed i's part depends on i and `step` alone. What follows the first is unknown."""

    def build(learner: Learner, step: int = 0) -> Batch:
        def one(seed: int) -> Batch:
            g = Generator().manual_seed(1000 * step + seed)
            b, h = learner.algorithm.batch_size, learner.algorithm.horizon
            return Batch(
                torch.randn(b, OBS, generator=g),
                torch.rand(b, learner.chunk_dim, generator=g) * 2 - 1,
                torch.randn(b, h, generator=g),
                (torch.rand(b, h, generator=g) > 0.2).float(),
                torch.randn(b, OBS, generator=g),
                torch.rand(b, learner.chunk_dim, generator=g).where(torch.arange(b)[:, None] > 0, torch.nan),
            )

        return Batch(*(torch.stack(parts) for parts in zip(*map(one, learner.seeds), strict=True)))

    return build


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two episodes (400 rows) of cube-single's play data and one for validation, made by one worker."""
    folder = tmp_path_factory.mktemp("generated")
    generate(Script("cube-single", "play", seed=5, episode_rows=200), "cube-single-play-v0", folder, rows=301)
    return folder


@pytest.fixture(scope="session")
def demonstrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three demonstrations of lift, made in another process: two to train on, one to validate."""
    pytest.importorskip("robosuite")
    folder = tmp_path_factory.mktemp("demonstrated")
    generate_demos(find_task("lift"), folder, seed=0, rows=150)
    return folder


@pytest.fixture
def minari_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Records episodes of an environment as one of Minari's datasets, in a store of its own; `act(obs)` gives the actions."""
    minari = pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))

    def record(name: str, env: Any, steps: int, episodes: int = 2, act: Any = None, eval_env: Any = None) -> None:
        env.action_space.seed(0)
        buffers = []
        for seed in range(episodes):
            rows, taken = [env.reset(seed=seed)[0]], []
            for _ in range(steps):
                action = act(rows[-1]) if act else env.action_space.sample()
                obs, reward, *_ = env.step(action)
                rows.append(obs)
                taken.append((action, reward))
            parts = (
                {key: np.stack([row[key] for row in rows]) for key in rows[0]} if isinstance(rows[0], dict) else np.stack(rows)
            )
            actions, rewards = (list(column) for column in zip(*taken, strict=True))
            ends = [False] * (steps - 1) + [True]
            episode = (None, seed, None, parts, np.stack(actions), rewards, [False] * steps, ends, None)
            buffers.append(minari.data_collector.EpisodeBuffer(*episode))
        minari.create_dataset_from_buffers(name, buffers, env=env, eval_env=eval_env)

    return record
