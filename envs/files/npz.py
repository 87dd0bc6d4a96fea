"""A dataset on disk: `<name>.npz`, `<name>-val.npz` and the sidecar `<name>.json` that says where they come from."""

import hashlib
import json
import math
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Shape = tuple[int | None, ...]
"""Of an array; None stands for any size."""

DEFLATE_LIMIT = 1032
"""No deflate stream is longer than this many times its compressed size."""


def data_files(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """The validation file, the sidecar and the training file of dataset `name` in `folder`."""
    return folder / f"{name}-val.npz", folder / f"{name}.json", folder / f"{name}.npz"


@contextmanager
def staged(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Paths to write `targets`, files of one folder, to; they move to their places in this order when the block ends well.

    So the file that makes a dataset visible comes last. When the block fails, nothing is left behind.
    """
    folder = targets[0].parent
    existed = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{targets[-1].stem}.") as staging:
            sources = tuple(Path(staging) / target.name for target in targets)
            yield sources
            for source, target in zip(sources, targets, strict=True):
                with open(source, "rb") as file:
                    os.fsync(file.fileno())
                os.replace(source, target)
    finally:
        if not existed:
            with suppress(OSError):
                folder.rmdir()  # succeeds only while it is empty


def origin_of(path: Path) -> dict[str, Any]:
    """What is known of where a data file comes from; ValueError when it is not the file that its sidecar describes."""
    facts = read_sidecar(path.with_suffix(".json"))
    found = sha256(path)
    if facts.get("sha256", {}).get(path.name, found) != found:
        raise ValueError(f"{path}: not the file that {path.stem}.json describes (the SHA-256 differs)")
    return {"source": "local", **facts, "sha256": found}


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_sidecar(path: Path) -> dict[str, Any]:
    """What the sidecar says; empty when there is none. ValueError when it is no sidecar."""
    if not path.exists():
        return {}
    try:
        facts = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(facts, dict) or not isinstance(facts.get("sha256", {}), dict):
        raise ValueError(f"{path}: needed is a JSON object whose 'sha256' maps file names to hashes")
    return facts


class Header(NamedTuple):
    """What an .npz file says of one of its arrays."""

    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype
    start: int
    """Bytes before the first number."""


def read_headers(path: Path, shapes: dict[str, Shape]) -> dict[str, Header]:
    """The headers of the named arrays of an .npz file, which must be of equal length and have these shapes.

    Nothing is unpickled. ValueError with one line on a file that is truncated, damaged, or of other shapes.
    """
    with _open_npz(path) as archive:
        headers = {key: _read_header(path, archive, key, shape) for key, shape in shapes.items()}
    if len({header.shape[0] for header in headers.values()}) != 1:
        lengths = ", ".join(f"{key} {header.shape[0]}" for key, header in headers.items())
        raise ValueError(f"{path}: arrays of different lengths: {lengths}")
    return headers


def read_arrays(path: Path, shapes: dict[str, Shape]) -> dict[str, np.ndarray]:
    """The named arrays, once their headers have been read: no memory is allocated for what is not there."""
    read_headers(path, shapes)
    with _open_npz(path) as archive:
        return {key: _read_member(archive, key) for key in shapes}


def read_blocks(path: Path, shapes: dict[str, Shape], rows: int) -> Iterator[dict[str, np.ndarray]]:
    """The named arrays, `rows` rows of each at a time: the memory needed does not depend on the size of the file."""
    headers = read_headers(path, shapes)
    with _open_npz(path) as archive, ExitStack() as stack:
        files = {key: stack.enter_context(archive.open(f"{key}.npy")) for key in headers}
        for key, header in headers.items():
            if header.by_columns:
                raise ValueError(f"{path}: {key} is stored column by column, needed is row by row")
            files[key].read(header.start)
        total = next(iter(headers.values())).shape[0]
        for begin in range(0, total, rows):
            count = min(rows, total - begin)
            yield {
                key: np.frombuffer(
                    files[key].read(count * math.prod(header.shape[1:]) * header.dtype.itemsize), header.dtype
                ).reshape(count, *header.shape[1:])
                for key, header in headers.items()
            }


@contextmanager
def _open_npz(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:  # the last: a password
        raise ValueError(f"{path}: truncated, locked or not an .npz file ({error})") from None


def _read_header(path: Path, archive: zipfile.ZipFile, key: str, shape: Shape) -> Header:
    """ValueError unless the array `key` exists, has numbers of `shape`, and is as large as its header claims."""
    try:
        member = archive.getinfo(f"{key}.npy")
    except KeyError:
        raise ValueError(f"{path}: no array {key!r}; it has {', '.join(archive.namelist())}") from None
    with archive.open(member) as file:
        try:
            major, _ = np.lib.format.read_magic(file)
            read_header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[major]
            found, by_columns, dtype = read_header(file)
        except (ValueError, KeyError):
            raise ValueError(f"{path}: {key} has no valid .npy header") from None
        start = file.tell()
    if dtype.kind not in "biuf":
        raise ValueError(f"{path}: {key} holds {dtype}, not numbers")
    if len(found) != len(shape) or any(need not in (None, size) for size, need in zip(found, shape, strict=True)):
        need = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{path}: {key} has shape {list(found)}, needed is [{need}]; is it the data of another task?")
    claimed = start + dtype.itemsize * math.prod(found)
    if claimed != member.file_size or claimed > DEFLATE_LIMIT * path.stat().st_size:
        raise ValueError(f"{path}: {key} claims {claimed} bytes, which the file does not hold")
    return Header(found, by_columns, dtype, start)


def _read_member(archive: zipfile.ZipFile, key: str) -> np.ndarray:
    with archive.open(f"{key}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)
