"""Small records, and the tables' command line."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.results.record import SCHEMA
from tables.__main__ import main

CONFIG = {
    "method": "dfp",
    "changes": {},
    "algo": {"name": "dfp", "elite_weight": 0.5, "num_elites": 4},
    "backbone": {"name": "drifting"},
    "preset": "paper",
    "protocol": "offline-to-online",
    "task": "cube-double-task2",
    "offline_steps": 10,
}
PHYSICS = {"hash": "same", "last_obs": [1.0, 2.0]}
DATASET = {"source": "fetched", "sha256": "same"}


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a record whose last evaluations of each seed have these outcomes; further fields are the configuration's.

    `offline` are the steps of that phase's evaluations. Those before a phase's last one are without success.
    """

    def write(
        name: str,
        seeds: dict[int, list[int]],
        status: str = "finished",
        physics: dict[str, Any] = PHYSICS,
        dataset: dict[str, Any] = DATASET,
        seconds: float = 36.0,
        device: str = "cpu, 1 threads, a processor",
        offline: tuple[int, ...] = (5, 10),
        **config: Any,
    ) -> Path:
        config = CONFIG | {"seeds": list(seeds)} | config
        start = {"kind": "start", "schema": SCHEMA, "created": name, "config": config, "device": device}
        start |= {"physics": physics, "dataset": dataset}
        steps = {"offline": offline, "online": (5, 20)}
        points = [(phase, step, [0] if step < own[-1] else None) for phase, own in steps.items() for step in own]
        lines = [start] + [
            {"kind": "evaluation", "seed": seed, "phase": phase, "step": step, "success": earlier or last}
            for seed, last in seeds.items()
            for phase, step, earlier in points
            if phase == "offline" or config["protocol"] == "offline-to-online"
        ]
        lines.append(
            {"kind": "end", "status": status, "reason": "loss is nan" if status == "failed" else "", "seconds": seconds}
        )
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    return write


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that write into the current folder write into the test's."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tables(tmp_path: Path, capsys: pytest.CaptureFixture) -> Callable[..., str]:
    """What `python -m tables` prints for these arguments, with the test's folder as --runs."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        assert main([*arguments, "--runs", str(tmp_path)]) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture
def cell(tables: Callable[..., str]) -> Callable[..., dict[str, str]]:
    """One number of a table as a line of its CSV."""

    def find(table: str, *options: str, row: str = "DFP", column: str = "cube-double-task2", phase: str = "online"):
        lines = csv.DictReader(io.StringIO(tables(table, *options, "--format", "csv")))
        (found,) = [line for line in lines if (line["row"], line["column"], line["phase"]) == (row, column, phase)]
        return found

    return find


@pytest.fixture
def refused(capsys: pytest.CaptureFixture) -> Callable[..., str]:
    """The one line with which a command is refused."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main([*arguments])
        assert exit.value.code == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    return run
