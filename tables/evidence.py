"""What stands behind a number: a run's conditions and outcomes, as plain values for the report."""

import base64
import json
from itertools import groupby
from pathlib import Path
from typing import Any

from PIL import Image

from eval.results.record import Run, identity, score, scored_by
from tables import rules
from tables.commands import again
from tables.spec import label_of


def evidence(run: Run) -> dict[str, Any]:
    """What a run did and under which conditions: all of its record but the metrics, with each phase's last episodes."""
    start, config = run.start, run.start["config"]
    return {
        "label": label_of(config),
        "scored": scored_by(start),
        "path": str(run.path),
        "status": run.status,
        "reason": str((run.end or {}).get("reason") or ""),
        "seconds": run.seconds,
        "command": str(start.get("command") or ""),
        "again": "" if rules.is_imported(run) or rules.is_from_elsewhere(run) else again(config),
        "config": config,
        "about": {key: value for key, value in start.items() if key not in ("kind", "schema", "command", "config")},
        "strips": strips(run),
        "seeds": [outcomes(run, seed) for seed in config["seeds"]],
    }


def strips(run: Run) -> list[dict[str, str]]:
    """The run's strips of frames (`eval.pictures`) beside its record: pictures that say they are of it."""
    found = []
    for path in sorted(run.path.parent.glob("*.png")):
        about = shown_in(path)
        if about.get("record") == identity(run.start):
            seen = ", ".join(f"episode {e['episode']} a {'success' if e['success'] else 'failure'}" for e in about["episodes"])
            title = f"{about['phase']}, seed {about['seed']}, step {about['step']}: {seen}; camera {about['camera']}"
            found.append({"title": title, "png": base64.b64encode(path.read_bytes()).decode()})
    return found


def shown_in(path: Path) -> dict[str, Any]:
    """What a picture says of the policy that it shows; nothing for other pictures."""
    try:
        with Image.open(path) as image:
            return json.loads(image.info.get("policy", "{}"))
    except (OSError, ValueError):
        return {}


def outcomes(run: Run, seed: int) -> dict[str, Any]:
    """A seed's score over the steps of both phases, and the episodes of each phase's last evaluation."""
    own = [e for e in run.evaluations if e["seed"] == seed]
    curve = [[run.training_step(e), score(e)] for e in own]
    last = [[*group][-1] for _, group in groupby(own, key=lambda e: e["phase"])]
    phases = [{"phase": e["phase"], "episodes": episodes(e), "score": score(e)} for e in last]
    return {"seed": seed, "curve": curve, "phases": phases}


def episodes(evaluation: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Success, return and length of each episode; None where the record does not say."""
    success = evaluation["success"]

    def of_each(name: str) -> list[Any]:
        values = evaluation.get(name)
        return values if isinstance(values, list) and len(values) == len(success) else [None] * len(success)

    return list(zip(success, of_each("return"), of_each("length"), strict=True))
