"""Demonstrations on disk, in robomimic's HDF5 layout: what is read is checked, what is written appears whole.

    data                attrs: total, env_args (JSON)
      demo_0            attrs: num_samples, model_file (the scene's XML)
        actions, states, rewards, dones, obs/<name>, next_obs/<name>
    mask/<subset>       names of demonstrations: train, valid, worse, okay, better

A file is read with its own bytes alone: no link is followed, no other file's storage is read, nothing is unpickled.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from envs.command import import_extra
from envs.dataset import check_finite
from envs.files.npz import DEFLATE_LIMIT


@dataclass(frozen=True)
class Demo:
    """One demonstration of T steps: `arrays` [T, ...] by their place in the file, such as 'actions' or 'obs/object'."""

    arrays: Mapping[str, np.ndarray]
    model_file: str
    """XML of the scene, whose sizes may be random."""
    tier: str
    """How well its operator does: 'worse', 'okay' or 'better'."""
    attempts: int
    """Tries until one succeeded, this one included."""


def _h5py() -> Any:
    return import_extra("h5py", "robomimic")


@contextmanager
def open_demos(path: Path) -> Iterator[Any]:
    """The HDF5 file at `path` for reading; whatever is found wrong with it becomes a one-line ValueError that names it."""
    try:
        with _h5py().File(path, "r") as file:
            yield file
    except ValueError as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from None
    except (OSError, RuntimeError, KeyError, TypeError) as error:  # what h5py raises on damaged files
        raise ValueError(f"{path}: truncated, damaged or not an HDF5 file ({' '.join(str(error).split())})") from None


def read_env_args(file: Any) -> dict[str, Any]:
    """The environment that the demonstrations were made in: 'env_name', 'env_kwargs' and more, as robomimic has them."""
    text = member(file, "data").attrs.get("env_args")
    try:
        env_args = json.loads(text)
    except (TypeError, ValueError):
        raise ValueError("data has no attribute env_args with valid JSON") from None
    if not isinstance(env_args, dict) or not isinstance(env_args.get("env_kwargs"), dict):
        raise ValueError("env_args is no JSON object with env_kwargs")
    return env_args


def train_demos(file: Any) -> list[str]:
    """Names of the demonstrations in mask/train, of all where the file has no such mask, in the order of their numbers."""
    demos = list(member(file, "data"))
    if not demos:
        raise ValueError("data has no demonstrations")
    if unknown := [name for name in demos if not re.fullmatch(r"demo_\d+", name)]:
        raise ValueError(f"data has {unknown[0]!r}, which is no demo_<number>")
    if has(file, "mask") and has(member(file, "mask"), "train"):
        train = _read_names(file, "mask/train")
        if not train:
            raise ValueError("mask/train is empty")
        if missing := train - set(demos):
            raise ValueError(f"mask/train names {min(missing)!r}, which data does not have")
        demos = list(train)
    return sorted(demos, key=lambda name: int(name.removeprefix("demo_")))


def read_array(file: Any, name: str, *shape: int | None) -> np.ndarray:
    """The finite numbers at `name`, their shape (None: any size) checked before memory is allocated for them."""
    dataset = _dataset(file, name)
    if dataset.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {dataset.dtype}, not numbers")
    found = dataset.shape
    if len(found) != len(shape) or any(need not in (None, size) for size, need in zip(found, shape, strict=True)):
        need = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} has shape {list(found)}, needed is [{need}]; is it the data of another task?")
    array = dataset[()]
    check_finite(name, array)
    return array


def _read_names(file: Any, name: str) -> set[str]:
    dataset = _dataset(file, name)
    if _h5py().check_string_dtype(dataset.dtype) is None or dataset.ndim != 1:
        raise ValueError(f"{name} is no list of names")
    return set(dataset.asstr()[()])


def _dataset(file: Any, name: str) -> Any:
    """The dataset at `name`, which must hold all its bytes itself."""
    dataset = member(file, name)
    if not isinstance(dataset, _h5py().Dataset):
        raise ValueError(f"{name} is no dataset")
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"{name} lies in another file, which is not read")
    if dataset.nbytes > DEFLATE_LIMIT * dataset.id.get_storage_size():
        raise ValueError(f"{name} claims {dataset.nbytes} bytes, which the file does not hold")
    return dataset


def member(group: Any, name: str) -> Any:
    """The object at the path `name` below `group`; soft and external links on the way are refused, not followed."""
    h5py = _h5py()
    for part in name.split("/"):
        if not isinstance(group, h5py.Group) or not has(group, part):
            raise ValueError(f"no {name!r} in {group.name}")
        if group.id.links.get_info(part.encode()).type != h5py.h5l.TYPE_HARD:
            raise ValueError(f"{part!r} of {name!r} is a link, which is not followed")
        group = group[part]
    return group


def has(group: Any, name: str) -> bool:
    """Whether `group` has an entry `name`; unlike `name in group`, this does not follow it when it is a link."""
    return bool(group.id.links.exists(name.encode()))


class DemoWriter:
    """Writes demonstrations one by one; `finish` adds what is known when all are there."""

    def __init__(self, file: Any) -> None:
        self._file, self._data = file, file.create_group("data")
        self.demos, self.rows, self.attempts = 0, 0, 0
        self._tiers: dict[str, list[str]] = {"worse": [], "okay": [], "better": []}

    def write(self, demo: Demo) -> None:
        name, rows = f"demo_{self.demos}", len(demo.arrays["actions"])
        group = self._data.create_group(name)
        for key, array in demo.arrays.items():
            group.create_dataset(key, data=array)
        group.attrs.update(num_samples=rows, model_file=demo.model_file)
        self._tiers[demo.tier].append(name)
        self.demos, self.rows, self.attempts = self.demos + 1, self.rows + rows, self.attempts + demo.attempts

    def finish(self, env_args: dict[str, Any], valid: Collection[int]) -> None:
        """Writes the attributes and masks; `valid` are the numbers of the demonstrations kept for validation."""
        self._data.attrs.update(total=self.rows, env_args=json.dumps(env_args, indent=4))
        self._write_mask("train", [f"demo_{index}" for index in range(self.demos) if index not in valid])
        self._write_mask("valid", [f"demo_{index}" for index in range(self.demos) if index in valid])
        for tier, names in self._tiers.items():
            self._write_mask(tier, names)

    def _write_mask(self, subset: str, names: Sequence[str]) -> None:
        self._file.create_dataset(f"mask/{subset}", data=np.array(names, dtype="S"))


@contextmanager
def create_demos(path: Path) -> Iterator[DemoWriter]:
    """A new HDF5 file at `path` to write demonstrations to."""
    with _h5py().File(path.name, "w", driver="core", backing_store=False) as file:
        yield DemoWriter(file)
        file.flush()
        image = file.id.get_file_image()
    path.write_bytes(image)  # not by HDF5, which does not survive a disk that is full
