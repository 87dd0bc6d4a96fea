"""The options that several of the tables' commands have."""

from pathlib import Path
from typing import Any

from envs.command import Parser
from tables.render import FORMATS
from tables.spec import ANY_PRESET

OPTIONS: dict[str, dict[str, Any]] = {
    "--runs": {"type": Path, "nargs": "+", "action": "extend", "help": "folders or files of records (default: records runs)"},
    "--preset": {
        "choices": ANY_PRESET,
        "help": "of the runs to count (default: for each table or figure the nearest to the paper's that has a whole column of "
        "it; plan takes paper, eval.run and eval.sweep laptop)",
    },
    "--mixed": {"action": "store_true", "help": "also average runs of different simulators, data or configurations"},
    "--format": {"choices": (*FORMATS, "csv"), "default": "text"},
}


def add_options(parser: Parser, *names: str) -> None:
    for name in names:
        parser.add_argument(name, **OPTIONS[name])
