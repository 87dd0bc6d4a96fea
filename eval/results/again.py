"""What commands on a kept policy share: how it is named on the command line, and what they write beside the policies."""

import errno
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from envs.command import Parser
from eval.results.policy import About
from eval.results.provenance import made_here
from eval.results.record import PHASES, identity

EVALUATIONS = "evaluations.ndjson"


def add_policy(parser: Parser, seed: str = "the run's first") -> None:
    """Which policy; `seed` says in words which seed it is when none is named."""
    parser.add_argument("run", type=Path, help="a run's folder, a folder of runs (its newest) or a policy file")
    parser.add_argument("--phase", choices=PHASES, help="default: the last that was kept")
    parser.add_argument("--seed", type=int, help=f"default: {seed}")


def add_step(parser: Parser) -> None:
    """Which of those that a phase has kept."""
    parser.add_argument("--step", type=step_or_word, default="last", help="last, best (as recorded), or a step's number")


def step_or_word(text: str) -> int | str:
    return text if text in ("last", "best") else int(text)


def place(about: About) -> dict[str, Any]:
    """Which policy of its run it is."""
    return {name: getattr(about, name) for name in ("seed", "phase", "step")}


def origin(about: About, module: str) -> dict[str, Any]:
    """What a line says of how it came about: which policy, this command of `module`, what it ran with."""
    return {
        **made_here(shlex.join(["python", "-m", module, *sys.argv[1:]]), "cpu"),
        "record": identity(about.run),
        **place(about),
        "sha256": about.sha256,
    }


def refuse_unwritable(path: Path) -> None:
    """OSError for a file that cannot be appended to; none is made, which another command might be the first to fill."""
    if path.exists():
        path.open("ab").close()
    elif not os.access(path.parent, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
