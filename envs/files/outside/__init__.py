"""Data that others made, a format a file: arrays of the usual names, robomimic's layout, Minari."""

import hashlib
from collections.abc import Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from envs.dataset import Dataset
from envs.files import hdf5, npz
from envs.files.outside import flat, minari, robomimic
from envs.files.outside.recording import Bounds, Recording, dataset_of
from envs.files.sidecar import sha256

SUFFIXES = (".npz", ".hdf5", ".h5")


def read(
    source: str, keys: Sequence[str] = (), bounds: Bounds | None = None, rewards: tuple[float, float] = (-inf, inf)
) -> Dataset:
    """The dataset of an .npz or .hdf5 file, of Minari's `minari:<id>`, or of a folder that Minari wrote.

    `keys` are the parts of a dict observation that make one, in this order. With `bounds`, the action space's (low, high),
    actions are scaled to [-1, 1]; without, they stay as they are. `rewards` are the least and the greatest of a step.

    FileNotFoundError says what is not there; ValueError names file, array and row of what is wrong. The dataset's origin has
    `name`, `sha256`, `rows`, `episodes`; `dropped`, transitions without a next observation; `successes`, episodes with one,
    where the file says so.
    """
    try:
        recordings, files = _open(source, keys)
        data = dataset_of(recordings, bounds, rewards)
    except ValueError as error:
        raise ValueError(str(error) if str(error).startswith(source) else f"{source}: {error}") from None
    data.origin.update(source="own", name=tidy_source(source), sha256=_joint_hash(files))
    return data


def tidy_source(source: str) -> str:
    """The one name of the file or folder that `./mine.npz` and `mine.npz` both are; Minari's ids stay as they are."""
    return source if source.startswith(minari.PREFIX) else str(Path(source))


def is_source(text: str) -> bool:
    """Whether `read` would take it for data: one of Minari's ids, a data file's name, or a folder."""
    return text.startswith(minari.PREFIX) or Path(text).suffix in SUFFIXES or Path(text).is_dir()


def _open(source: str, keys: Sequence[str]) -> tuple[list[Recording], list[Path]]:
    """What was recorded, and the files that hold it."""
    path = Path(source)
    if source.startswith(minari.PREFIX) or path.is_dir():
        dataset, folder = minari.open_minari(source)
        return minari.recordings(dataset, keys), sorted(file for file in folder.rglob("*") if file.is_file())
    if not path.exists():
        raise FileNotFoundError(f"no {source}; a dataset is an .npz or .hdf5 file, a folder of Minari's, or minari:<id>")
    if path.suffix == ".npz":
        return [flat.recording(npz.array_names(path), partial(_read_npz, path))], [path]
    if path.suffix not in SUFFIXES:
        raise ValueError("neither .npz nor .hdf5")
    with hdf5.open_demos(path) as file:
        if hdf5.has(file, "data"):
            return robomimic.recordings(file, dict.fromkeys(keys)), [path]
        if hdf5.has(file, "episode_0"):
            raise ValueError("one file of a Minari dataset; name its folder")
        return [flat.recording(list(file), partial(_read_hdf5, file))], [path]


def _read_npz(path: Path, name: str, shape: npz.Shape) -> np.ndarray:
    return npz.read_arrays(path, {name: shape})[name]


def _read_hdf5(file: Any, name: str, shape: npz.Shape) -> np.ndarray:
    return hdf5.read_array(file, name, *shape)


def _joint_hash(files: Sequence[Path]) -> str:
    """SHA-256 of one file, or of the hashes of several."""
    hashes = [sha256(file) for file in files]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
