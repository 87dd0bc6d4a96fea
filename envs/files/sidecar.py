"""Where a data file comes from, and whether it is still that file: what the sidecar beside it, `<name>.json`, says."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


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


def joint_origin(paths: Sequence[Path]) -> dict[str, Any]:
    """Where one file comes from, or what holds for all of several; their hash is that of their hashes."""
    origins = [origin_of(path) for path in paths]
    if len(origins) == 1:
        return origins[0]
    hashes = hashlib.sha256("".join(origin["sha256"] for origin in origins).encode())
    sources = sorted({origin["source"] for origin in origins})
    return {"source": " and ".join(sources), "files": len(paths), "sha256": hashes.hexdigest()}
