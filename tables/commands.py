"""Commands that make runs: those that a table lacks, and those that a record tells of."""

import shlex
from collections.abc import Iterable
from typing import Any

from eval.config.methods import METHODS
from eval.config.presets import PRESETS
from tables import published
from tables.spec import ROBOMIMIC_TASKS, Row


def command(row: Row, task: str, preset: str, protocol: str, seeds: Iterable[int]) -> str:
    """The command that makes runs of a row. What DFP has anyway is left out, so that equal runs have equal commands."""
    plain = dfp_values(task, preset) if (row.method, protocol) == ("dfp", "offline-to-online") else {}
    changes = {name: value for name, value in row.changes.items() if plain.get(name) != published.shown(value)}
    words = ["--method", row.method, *options(changes), "--task", task, "--preset", preset, "--protocol", protocol]
    return run_line([*words, "--seeds", *seeds])


def dfp_values(task: str, preset: str) -> dict[str, str]:
    """DFP's values for a task, offline to online, as text: a preset's own, else those of Table 5."""
    values = published.table_5("Robomimic" if task in ROBOMIMIC_TASKS else "OGBench")
    own = PRESETS[preset].values
    return {path: published.shown(own.get(path.rpartition(".")[2], text)) for path, text in values.items()}


def again(config: dict[str, Any]) -> str:
    """The command that makes a run with this configuration, whatever it was made with."""
    method, parts = config["method"], [config[part].get("name", "") for part in ("algo", "backbone")]
    words = ["--method", method] if method in METHODS else ["--algo", parts[0], "--backbone", parts[1]]
    words += [word for name in ("task", "preset", "protocol") for word in (f"--{name}", config[name])]
    words += ["--dataset", config["dataset"]] if config.get("dataset", "own") != "own" else []
    if "eval_every" in config:  # no change of the method, but tables average over evaluations
        words += ["--eval-every", config["eval_every"]]
    return run_line([*words, *options(config["changes"]), "--seeds", *config["seeds"]])


def options(changes: dict[str, Any]) -> list[Any]:
    """Changes by name as words of a command line."""
    words: list[Any] = []
    for name, value in changes.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", *(value if isinstance(value, list | tuple) else [value])]
    return words


def run_line(words: Iterable[Any]) -> str:
    return shlex.join(["python", "-m", "eval.run", *map(str, words)])
