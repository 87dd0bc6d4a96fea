"""`python -m eval.sweep status`: what the sweeps in a folder of runs are doing, from any machine that sees the folder."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tabulate import tabulate

from envs.command import Parser
from envs.files.whole import replaced
from eval.sweep.attempt import Job
from eval.sweep.claims import FOLDER, SILENCE, Claim, Claims, alive, place
from eval.sweep.progress import progress

PLAN = ".plan"


def write_plan(runs: Path, sweep: str, command: str, jobs: list[Job]) -> None:
    """What a sweep is about to do, for whoever asks later."""
    plan = {"sweep": sweep, "command": command, "created": time.time(), "units": [unit for job in jobs for unit in job.units]}
    with replaced(runs / FOLDER / f"{sweep}{PLAN}") as whole:
        whole.write_text(json.dumps(plan))


def read_plan(path: Path) -> dict[str, Any]:
    """What `write_plan` wrote; ValueError names a file that is not whole."""
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError):
        raise ValueError(f"{path}: no plan of a sweep; delete it") from None


def lives(claim: Claim) -> bool:
    """Whether the owner of a running claim seems to live; that of one elsewhere by this machine's clock, only a hint."""
    owners = [claim.facts[name] for name in ("owner", "run") if claim.facts.get(name)]
    if owners and all(owner["place"] == place() for owner in owners):
        return any(map(alive, owners))
    return time.time() - claim.path.stat().st_mtime < SILENCE


def status(runs: Path) -> str:
    """The newest sweep's progress, every run under way, and what failed."""
    claims = [*Claims(runs).all()]
    plans = sorted(map(read_plan, (runs / FOLDER).glob(f"*{PLAN}")), key=lambda plan: plan["created"])
    if not plans:
        raise ValueError(f"{runs}: no sweep has begun here")
    plan, known = plans[-1], {claim.facts["unit"]: claim for claim in claims}
    states = Counter(state(known[unit]) if unit in known else "waiting" for unit in plan["units"])
    count = ", ".join(
        f"{states[name]} {name}" for name in ("finished", "running", "waiting", "failed", "left", "lost") if states[name]
    )
    lines = [f"{plan['command']}", f"{len(plan['units'])} runs of one seed: {count}"]
    shown = {claim.facts["job"]: claim for claim in claims if state(claim) in ("running", "lost")}
    rows = [[job, progress(runs / c.facts["folder"]), hours(c), c.facts["owner"]["host"], state(c)] for job, c in shown.items()]
    if rows:
        lines += ["", tabulate(rows, ["under way", "at", "hours", "on", ""], disable_numparse=True)]
    failures = {c.facts["job"]: f"{c.facts['job']}: {c.facts.get('reason')}" for c in claims if c.state == "failed"}
    return "\n".join([*lines, *([""] if failures else []), *failures.values()])


def state(claim: Claim) -> str:
    """What a claim says, or that its owner seems to be lost."""
    return "lost" if claim.state == "running" and not lives(claim) else claim.state


def hours(claim: Claim) -> str:
    return f"{(time.time() - claim.facts['since']) / 3600:.2f}"


def main(arguments: list[str]) -> None:
    parser = Parser(prog="python -m eval.sweep status", description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of runs (default: runs)")
    print(status(parser.parse_args(arguments).runs))
