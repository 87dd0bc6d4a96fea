"""The options that several of the tables' commands have."""

from pathlib import Path
from typing import Any

from envs.command import Parser
from tables.render import FORMATS
from tables.spec import ANY_PRESET

OPTIONS: dict[str, dict[str, Any]] = {
    "--runs": {"type": Path, "nargs": "+", "help": "folders or files of records (default: records runs)"},
    "--preset": {"choices": ANY_PRESET, "default": "paper", "help": "of the runs to count (default: paper)"},
    "--mixed": {"action": "store_true", "help": "also average runs of different simulators, data or configurations"},
    "--format": {"choices": (*FORMATS, "csv"), "default": "text"},
}

NEAREST_PRESET: dict[str, Any] = {
    "choices": ANY_PRESET,
    "help": "of the runs to count (default: for each table the nearest to the paper's that has a whole column of it; "
    "plan and figure take paper, eval.run and eval.sweep laptop)",
}


def add_options(parser: Parser, *names: str) -> None:
    for name in names:
        parser.add_argument(name, **OPTIONS[name])
