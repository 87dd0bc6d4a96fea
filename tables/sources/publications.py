"""What was published under which conditions: a folder's protocols.toml says it of the CSV files beside it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

FILE = "protocols.toml"


@dataclass(frozen=True)
class Publication:
    """Numbers of one protocol, which may be compared: those in `files`, in a table of the paper, and of runs in `presets`."""

    name: str
    title: str
    kind: Literal["offline-to-online", "offline"]
    source: str
    files: tuple[str, ...] = ()
    table: str = ""
    presets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def publications(folder: Path) -> tuple[Publication, ...]:
    """Those that a folder tells of. ValueError for one that is not whole."""
    if not (folder / FILE).exists():
        return ()
    try:
        found: dict[str, dict[str, Any]] = tomllib.loads((folder / FILE).read_text(encoding="utf-8"))
        plain: dict[str, dict[str, Any]] = {
            name: {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
            for name, fields in found.items()
        }
        return tuple(Publication(name=name, **fields) for name, fields in plain.items())
    except (TypeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{folder / FILE}: {error}") from None


def publication_of(path: Path) -> Publication | None:
    """The one that a file's results are of, if its folder says so."""
    return next((one for one in publications(path.parent) if path.name in one.files), None)
