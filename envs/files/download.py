"""Files downloaded from the first mirror that has them; their hashes are kept in the sidecar when they first arrive.

Later downloads and loads are held to those hashes.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from envs.files.sidecar import read_sidecar, sha256
from envs.files.whole import staged

TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte

Count = Callable[[Path], tuple[int, int]]
"""Rows and episodes of a file; ValueError when it does not hold the data that are wanted."""


def download(files: Mapping[Path, str], mirrors: Sequence[str], count: Count, otherwise: str) -> Path:
    """The last of `files`, called by its values below a mirror, downloaded with the others unless it is there.

    ConnectionError when no mirror has them, in one line that says what to do `otherwise`; FileExistsError when generated data
    has the last one's name; ValueError for a file whose hash is not the one kept. Nothing half-written is left.
    """
    *_, last = files
    hashes = _known_hashes(last)
    if not last.exists():
        _try(mirrors, last.stem, lambda mirror: _download(files, mirror, hashes, count), otherwise)
    return last


def download_shards(folder: Path, names: Sequence[str], mirrors: Sequence[str], count: Count, otherwise: str) -> Path:
    """The files `names` of a mirror's folder of the same name; those that are there already are kept."""

    known = {name: _known_hashes(folder / name) for name in names}

    def from_mirror(mirror: str) -> None:
        for name, hashes in known.items():
            path = folder / name
            if not path.exists():
                _download({path: f"{folder.name}/{name}"}, mirror, hashes, count)

    _try(mirrors, folder.name, from_mirror, otherwise)
    return folder


def _known_hashes(path: Path) -> dict[str, str]:
    """What was kept of earlier downloads; an error when the file is generated data or not the one that came first."""
    known = read_sidecar(path.with_suffix(".json"))
    if known.get("source") == "generated":
        if not path.exists():
            return {}  # of data that are gone
        raise FileExistsError(f"{path}: generated data has this name; fetch into another folder with --data")
    hashes: dict[str, str] = known.get("sha256", {})
    if path.exists() and hashes.get(path.name, found := sha256(path)) != found:
        raise ValueError(f"{path}: not the file that was fetched first (the SHA-256 differs); move it away")
    return hashes


def _try(mirrors: Sequence[str], name: str, download: Callable[[str], None], otherwise: str) -> None:
    """Download from the first mirror from which it works; ConnectionError when it is none."""
    failures = []
    for mirror in mirrors:
        try:
            return download(mirror.rstrip("/"))
        except (OSError, ValueError) as error:
            failures.append(f"{mirror}: {_reason(error)}")
    raise ConnectionError(f"no mirror has {name} ({'; '.join(failures)}); {otherwise}")


def _download(files: Mapping[Path, str], mirror: str, hashes: dict[str, str], count: Count) -> None:
    """Download, check and publish files and the sidecar of the last one from one mirror, or leave nothing behind."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=2**20, timeout=TIMEOUT)
    *others, last = files
    with staged(*others, last.with_suffix(".json"), last) as paths:
        *arriving, new_sidecar, new_last = paths
        for path, target in zip((*arriving, new_last), files, strict=True):
            pooch.retrieve(f"{mirror}/{files[target]}", hashes.get(target.name), path.name, path.parent, downloader=downloader)
            rows, episodes = count(path)
        facts: dict[str, Any] = {
            "source": "fetched",
            "mirror": mirror,
            "rows": rows,
            "episodes": episodes,
            "sha256": {path.name: sha256(path) for path in (new_last, *arriving)},
        }
        new_sidecar.write_text(json.dumps(facts, indent=2) + "\n")


def _reason(error: Exception) -> str:
    """Why a mirror failed, in one short line."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    if type(error).__module__.startswith("requests"):
        return type(error).__name__  # its text is a page of nested library errors
    return str(error).splitlines()[0]
