"""Arrays in .npz files, read with care: headers first, nothing unpickled, no memory for what is not there."""

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

Shape = tuple[int | None, ...]
"""Of an array; None stands for any size."""

DEFLATE_LIMIT = 1032
"""No deflate stream is longer than this many times its compressed size."""


class Header(NamedTuple):
    """What an .npz file says of one of its arrays."""

    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype
    start: int
    """Bytes before the first number."""


def array_names(path: Path) -> list[str]:
    """The names of the arrays in an .npz file."""
    with _open_npz(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


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
    # Of the last two zipfile raises one for a compression that it does not know, the other for a password.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
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
