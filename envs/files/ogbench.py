"""Play data on disk, in OGBench's layout: `<dataset>.npz`, `<dataset>-val.npz` and a sidecar, or a folder of shards.

Arrays of equal length: observations [N, obs_dim], actions [N, action_dim], terminals [N] (true at an episode's last row, which
holds its final observation), qpos and whatever else rewards depend on. `shapes` says which of them are needed.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from envs.command import progress
from envs.dataset import check_finite
from envs.files.mapped import BLOCK_ROWS, write_columns
from envs.files.npz import Shape, read_arrays, read_headers
from envs.files.npz import read_blocks as read_raw_blocks
from envs.files.sidecar import joint_origin

Shapes = dict[str, Shape]


def data_files(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """The validation file, the sidecar and the training file of dataset `name` in `folder`."""
    return folder / f"{name}-val.npz", folder / f"{name}.json", folder / f"{name}.npz"


def data_sources(folder: Path, dataset: str) -> list[Path]:
    """The files in `folder` that hold a dataset: `<dataset>.npz`, or else the shards `<dataset>/*.npz` in their order."""
    path = data_files(folder, dataset)[-1]
    shards = sorted(shard for shard in (folder / dataset).glob("*.npz") if not shard.stem.endswith("-val"))
    return [path] if path.exists() else shards


def read_rows(path: Path, shapes: Shapes) -> dict[str, np.ndarray]:
    """The checked rows of a file, each episode's final observation included.

    observations and actions f32, terminals bool (the final rows), the others as they are. ValueError with one line when
    anything is wrong.
    """
    rows = _checked_rows(path, read_arrays(path, shapes))
    _check_episodes(path, np.flatnonzero(rows["terminals"]), len(rows["terminals"]))
    return rows


def read_blocks(path: Path, shapes: Shapes) -> Iterator[dict[str, np.ndarray]]:
    """What `read_rows` returns, block by block; how its episodes end is known, and checked, after the last one."""
    ends, total = [np.empty(0, int)], 0
    for block in read_raw_blocks(path, shapes, BLOCK_ROWS):
        rows = _checked_rows(path, block)
        yield rows
        ends.append(total + np.flatnonzero(rows["terminals"]))
        total += len(rows["terminals"])
    _check_episodes(path, np.concatenate(ends), total)


def unpack(files: list[Path], shapes: Shapes, target: Path) -> None:
    """Write the rows of `files`, one after another, as columns in the folder `target`.

    OSError when the disk has no room, ValueError for data that are damaged. Memory does not depend on the size of the data.
    """
    headers = [read_headers(path, shapes) for path in files]
    types = {key: np.result_type(*(header[key].dtype for header in headers)) for key in shapes}
    types |= {"observations": np.dtype(np.float32), "actions": np.dtype(np.float32), "terminals": np.dtype(bool)}
    columns = {key: (headers[0][key].shape[1:], types[key]) for key in shapes}
    rows = sum(header["terminals"].shape[0] for header in headers)
    with progress(total=rows, desc=target.name, unit="row", unit_scale=True) as bar:

        def blocks() -> Iterator[dict[str, np.ndarray]]:
            for path in files:
                for block in read_blocks(path, shapes):
                    yield block
                    bar.update(len(block["terminals"]))

        facts = {"origin": joint_origin(files), "sources": {path.name: path.stat().st_size for path in files}}
        write_columns(target, rows, columns, blocks(), facts)


def _checked_rows(path: Path, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows in the types that `read_rows` says. ValueError for numbers that are not finite, and for impossible actions."""
    for key in ("observations", "actions"):
        rows[key] = rows[key].astype(np.float32, copy=False)
    for key, array in rows.items():
        check_finite(f"{path}: {key}", array)
    if (reach := np.abs(rows["actions"]).max(initial=0)) > 1:
        raise ValueError(f"{path}: actions reach to {reach:.4g}, allowed is -1 to 1; are they in other units?")
    rows["terminals"] = rows["terminals"].astype(bool)
    return rows


def _check_episodes(path: Path, ends: np.ndarray, total: int) -> None:
    """ValueError unless the last row ends an episode and each has a transition."""
    if not len(ends) or ends[-1] != total - 1:
        raise ValueError(f"{path}: the last row does not end an episode; the file may have been cut")
    if np.diff(ends, prepend=-1).min() < 2:
        raise ValueError(f"{path}: an episode of fewer than two rows, which has no transition")
