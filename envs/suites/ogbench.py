"""OGBench's tasks and their data (Park et al., ICLR 2025), rewards and relabelling as OGBench has them."""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np

from envs.command import progress
from envs.dataset import Dataset
from envs.files.download import download, download_shards
from envs.files.mapped import BLOCK_ROWS, INDEX, open_columns, unpacked_folder, write_columns
from envs.files.npz import Shape, read_headers
from envs.files.ogbench import data_files, data_sources, read_rows, unpack
from envs.files.sidecar import origin_of
from envs.suites.plain import PlainEnv
from envs.task import SuccessTiming, Task

# OGBench hands Gymnasium float64 bounds at each look at its action space.
warnings.filterwarnings("ignore", message=".*precision lowered by casting to float32", category=UserWarning)

MIRRORS = (
    "https://rail.eecs.berkeley.edu/datasets/ogbench",
    *(  # the same files, to which OGBench's author points while the server is down; they lack the hundred million rows
        f"https://{host}/datasets/zhouzypaul/ogbench_datasets/resolve/8e7f4278a635a75338f0f1dc0e8f029d61503c4b"
        for host in ("huggingface.co", "hf-mirror.com")
    ),
)
MEMORY_LIMIT = 4e9
"""Bytes; a file with more of them in rows is read from disk or not at all."""


@dataclass(frozen=True, kw_only=True)
class OGBenchTask(Task):
    """One of the five fixed goals of an OGBench environment, with what all kinds of environments share."""

    homes = ("~/.ogbench/data",)

    family: str
    """The environment without its goal, such as 'cube-single'."""
    qpos_dim: int
    """Joint positions in the data, from which the reward of any goal is computed."""
    shards: int = 0
    """Files of a million rows in which the official data come; 0 where they are one file."""

    @property
    def shapes(self) -> dict[str, Shape]:
        """The arrays of OGBench's files that are needed: the rows, and what any goal's reward depends on."""
        return {
            "observations": (None, self.obs_dim),
            "actions": (None, self.action_dim),
            "terminals": (None,),
            "qpos": (None, self.qpos_dim),
        }

    def make_env(self, success_timing: SuccessTiming = "post") -> gymnasium.Env:
        """The task's environment; the published results used the 'post' timing of OGBench 1.1."""
        return OGBenchEnv(self.make_simulator(success_timing), self)

    def make_simulator(self, success_timing: SuccessTiming) -> gymnasium.Env:
        """OGBench's own environment."""
        import ogbench  # noqa: F401  (registers the environments)

        return gymnasium.make(self.env, success_timing=success_timing, disable_env_checker=True)

    def load_dataset(self, folders: Sequence[Path]) -> Dataset:
        """OGBench's data with the rewards and masks that OGBench's relabelling gives for this goal.

        On disk, as `python -m envs.unpack` left it, if it did; else in memory, from the file.
        """
        path = self._find_data(folders)
        rows: Mapping[str, np.ndarray]
        labels: Mapping[str, np.ndarray]
        if path.is_dir():
            rows, origin = self._open_rows(path)
            labels = self._kept_labels(path, rows, origin)
        else:
            self._refuse_large(path)
            origin, rows = origin_of(path), read_rows(path, self.shapes)
            (labels,) = self.relabel([rows])
        ends = np.flatnonzero(rows["terminals"])
        return Dataset(
            obs=rows["observations"],
            action=rows["actions"],
            reward=labels["rewards"],
            mask=labels["masks"],
            ends=ends,
            origin={**origin, "name": self.dataset, "rows": len(rows["observations"]), "episodes": len(ends)},
        )

    def relabel(self, blocks: Iterable[Mapping[str, np.ndarray]]) -> Iterator[dict[str, np.ndarray]]:
        """Of each block of rows the `rewards` and `masks` [N] f32 for this goal."""
        from ogbench.relabel_utils import relabel_dataset

        env = self.make_env()
        env.reset(seed=0)
        for block in blocks:
            rows = dict(block)
            relabel_dataset(self.env, env, rows)
            yield {key: rows[key] for key in ("rewards", "masks")}

    @property
    def fetched_unasked(self) -> bool:
        return not self.shards

    def fetch(self, folder: Path, mirrors: Sequence[str] = ()) -> Path:
        otherwise = self.otherwise(folder)
        if self.shards:
            stem = self.dataset.replace("-100m-", "-")
            names = [f"{stem}-{number:03d}.npz" for number in range(self.shards)]
            return download_shards(folder / self.dataset, names, mirrors or MIRRORS, self._count, otherwise)
        val, _, train = data_files(folder, self.dataset)
        return download({val: val.name, train: train.name}, mirrors or MIRRORS, self._count, otherwise)

    def otherwise(self, folder: Path) -> str:
        """What to do where the official data are not to be had."""
        return f"`python -m envs.generate {self.name} --data {folder}` makes similar data"

    def scene(self, env: gymnasium.Env) -> tuple[Any, Any]:
        inner = cast(Any, env.unwrapped)
        return inner.model, inner.data

    def _count(self, path: Path) -> tuple[int, int]:
        terminals = read_rows(path, self.shapes)["terminals"]
        return len(terminals), int(terminals.sum())

    def unpack(self, folder: Path) -> Path:
        target, files = unpacked_folder(folder, self.dataset), data_sources(folder, self.dataset)
        if (target / INDEX).exists():
            open_columns(target, self.shapes, check=True)
        elif files:
            unpack(files, self.shapes, target)
        else:
            raise FileNotFoundError(f"no {self.dataset}.npz and no {self.dataset}/*.npz in {folder}")
        return target

    def _find_data(self, folders: Sequence[Path]) -> Path:
        """The folder of unpacked data, or the file."""
        for folder in map(Path, folders):
            if ((unpacked := unpacked_folder(folder, self.dataset)) / INDEX).exists():
                return unpacked
            match data_sources(folder, self.dataset):
                case [path] if path.parent == folder:
                    return path
                case [shard, *_]:
                    raise ValueError(f"{shard.parent}: `{self._unpacking(folder)}` makes these shards readable")
        raise FileNotFoundError(
            f"no {self.dataset}.npz in {', '.join(map(str, folders))}; "
            f"`python -m envs.fetch {self.name}` downloads it, {self.otherwise(Path(folders[0]))}"
        )

    def _refuse_large(self, path: Path) -> None:
        """ValueError for a file whose arrays are too much for memory."""
        headers = read_headers(path, self.shapes).values()
        size = sum(math.prod(header.shape) * header.dtype.itemsize for header in headers)
        if size > MEMORY_LIMIT:
            raise ValueError(f"{path}: {size / 1e9:.1f} GB of rows; `{self._unpacking(path.parent)}` leaves them on disk")

    def _unpacking(self, folder: Path) -> str:
        return f"python -m envs.unpack {self.name} --data {folder}"

    def _open_rows(self, folder: Path) -> tuple[dict[str, np.memmap], dict[str, Any]]:
        """The unpacked rows and their origin. ValueError when the files they came from have changed since."""
        rows, facts = open_columns(folder, self.shapes)
        present = {path.name: path.stat().st_size for path in data_sources(folder.parent, self.dataset)}
        if not present.items() <= facts["sources"].items():
            raise ValueError(f"{folder}: unpacked from other files than are there now; delete it and unpack again")
        return rows, facts["origin"]

    def _kept_labels(self, folder: Path, rows: Mapping[str, np.ndarray], origin: dict[str, Any]) -> dict[str, np.memmap]:
        """This goal's rewards and masks, computed by the task's first run and kept beside the rows."""
        kept, total = folder / self.name, len(rows["terminals"])
        made_from = {"data": origin["sha256"], "env": self.env, "ogbench": version("ogbench")}
        if not (kept / INDEX).exists():
            keys = rows.keys() - {"observations", "actions", "terminals"}
            begins = progress(range(0, total, BLOCK_ROWS), f"rewards of {self.name}", unit="block", delay=2)
            blocks = ({key: np.asarray(rows[key][begin : begin + BLOCK_ROWS]) for key in keys} for begin in begins)
            scalar = ((), np.dtype(np.float32))
            write_columns(kept, total, {"rewards": scalar, "masks": scalar}, self.relabel(blocks), made_from)
        labels, _ = open_columns(kept, {"rewards": (None,), "masks": (None,)}, made_from, check=True)
        return labels


class OGBenchEnv(PlainEnv):
    """An OGBench environment whose bits depend on the reset's seed alone."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        with _numpy_seed(seed):
            return super().reset(seed=seed, options=options)


@contextmanager
def _numpy_seed(seed: int | None) -> Iterator[None]:
    """Seeds numpy's global generator, from which OGBench draws too, and gives the caller's state back afterwards."""
    state = np.random.get_state()
    if seed is not None:
        np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        if seed is not None:
            np.random.set_state(state)
