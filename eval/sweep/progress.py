"""How far a run is, from the end of its record."""

import json
from pathlib import Path
from statistics import fmean

from eval.results import record

TAIL = 2**16  # bytes: many lines of metrics and an evaluation of every seed


def progress(folder: Path) -> str:
    """Phase, step and last score of the newest run in a job's folder, in words; "" before it has a record."""
    try:
        lines = last_lines(max(folder.glob("*/*.jsonl"), key=lambda path: path.stat().st_mtime_ns))
    except (ValueError, FileNotFoundError):  # there is none, or it is being deleted
        return ""
    place, unit, scores = "", "", dict[int, float]()
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:  # the first one may be cut
            continue
        if "step" in entry:
            place = f"{entry['phase']} step {entry['step']}"
        if entry.get("kind") == "evaluation":
            scores[entry["seed"]], unit = record.score(entry), "" if "score" in entry else " %"
    return place + (f", {'score' if not unit else 'success'} {fmean(scores.values()):.0f}{unit}" if scores else "")


def last_lines(path: Path) -> list[bytes]:
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        return file.read().split(b"\n")[:-1]
