"""Columns that stay on disk: a folder of .npy files with equally many rows, written once and read as memory maps.

    <dataset>-unpacked/observations.npy  actions.npy  terminals.npy  qpos.npy  index.json    by `python -m envs.unpack`
    <dataset>-unpacked/<task>/rewards.npy  masks.npy  index.json                             by the task's first run

The index is written last: it says what the columns were made from, how many rows they have, and each file's hash.
"""

import json
import math
import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from envs.files.npz import Shape
from envs.files.sidecar import read_sidecar, sha256
from envs.files.whole import staged

INDEX = "index.json"
BLOCK_ROWS = 2**17
"""Rows in memory at a time, while data are written."""


def unpacked_folder(folder: Path, dataset: str) -> Path:
    """Where in `folder` a dataset's columns are."""
    return folder / f"{dataset}-unpacked"


def write_columns(
    folder: Path,
    rows: int,
    columns: Mapping[str, tuple[tuple[int, ...], np.dtype]],
    blocks: Iterable[dict[str, np.ndarray]],
    facts: dict[str, Any],
) -> None:
    """Write columns, given by the shape of a row and the type, from blocks of their rows; `facts` go into the index.

    When it fails nothing is left behind. OSError when the disk has no room.
    """
    need = rows * sum(math.prod(shape) * dtype.itemsize for shape, dtype in columns.values())
    with staged(*(folder / f"{name}.npy" for name in columns), folder / INDEX) as (*paths, index), ExitStack() as stack:
        if need > (free := shutil.disk_usage(folder).free):
            raise OSError(f"{folder}: needs {need / 1e9:.1f} GB on disk, {free / 1e9:.1f} GB are free")
        files = {name: stack.enter_context(open(path, "wb")) for name, path in zip(columns, paths, strict=True)}
        for name, (shape, dtype) in columns.items():
            header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (rows, *shape)}
            np.lib.format.write_array_header_1_0(files[name], header)
        for block in blocks:
            for name, (_, dtype) in columns.items():
                files[name].write(np.ascontiguousarray(block[name], dtype).data)
        stack.close()
        hashes = {path.name: sha256(path) for path in paths}
        index.write_text(json.dumps({**facts, "rows": rows, "sha256": hashes}, indent=1) + "\n")


def open_columns(
    folder: Path, shapes: Mapping[str, Shape], made_from: Mapping[str, Any] | None = None, check: bool = False
) -> tuple[dict[str, np.memmap], dict[str, Any]]:
    """The columns in `folder` as read-only memory maps, and the index's facts.

    Shapes are compared, and those facts that `made_from` names; hashes only to `check`, since that reads everything.
    ValueError with one line when something is missing, damaged or of other data.
    """
    facts, columns, remedy = read_sidecar(folder / INDEX), {}, f"delete {folder} and make it again"
    for name, value in (made_from or {}).items():
        if facts.get(name) != value:
            raise ValueError(f"{folder / INDEX}: its {name} is {facts.get(name)}, needed is {value}; {remedy}")
    for name, shape in shapes.items():
        path = folder / f"{name}.npy"
        try:
            columns[name] = np.lib.format.open_memmap(path, mode="r")
        except (ValueError, OSError) as error:
            raise ValueError(f"{path}: missing or damaged ({error}); {remedy}") from None
        if columns[name].shape != (need := (facts.get("rows"), *shape[1:])):
            raise ValueError(f"{path}: has shape {list(columns[name].shape)}, needed is {list(need)}; {remedy}")
        if check and facts.get("sha256", {}).get(path.name) != sha256(path):
            raise ValueError(f"{path}: not what was written (the SHA-256 differs); {remedy}")
    return columns, facts
