"""Commands on a GPU: whole runs of both phases, and the benchmark in all of its modes."""

import json
import os
import signal
from functools import wraps
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

pytest.importorskip("tabulate")

from eval import run
from eval.bench import __main__ as bench
from eval.bench.updates import Mode
from eval.results import record
from eval.running.plan import at_once
from eval.running.train import Training
from tests.eval.conftest import TINY
from tests.gpu.test_waiting import waiting

pytestmark = pytest.mark.gpu


@pytest.fixture
def tiny(tmp_path: Path, device: str) -> Any:
    """Runs `python -m eval.run` on the GPU, with small networks; returns (exit code, record)."""
    pytest.importorskip("mujoco")  # its version goes into a record

    def start(*options: str) -> tuple[int, record.Run]:
        code = run.main([*TINY, "--device", device, "--runs", str(tmp_path), *options])
        (path,) = record.find(tmp_path)
        return code, record.read(path)

    return start


def assert_whole(run: record.Run, seeds: int) -> None:
    assert run.status == "finished"
    assert [e["phase"] for e in run.evaluations] == seeds * 2 * ["offline"] + seeds * 2 * ["online"]
    assert all(np.isfinite(values).all() for m in run.metrics for values in m["values"].values())


def test_a_run_trains_through_both_phases_and_resumes(tiny: Any, monkeypatch: pytest.MonkeyPatch):
    explore = Training._explore_and_update

    def stop(self: Training, step: int) -> Any:
        if step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return explore(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_explore_and_update", stop)
        code, stopped = tiny("--seeds", "0", "1")
        assert code == 128 + signal.SIGTERM and stopped.status == "stopped"
    code, resumed = tiny("--seeds", "0", "1", "--resume")
    assert code == 0
    assert_whole(resumed, seeds=2)


def test_the_online_loop_waits_once_a_chunk(tiny: Any, monkeypatch: pytest.MonkeyPatch):
    """Anywhere else, but at log points, evaluations and checkpoints, waiting is an error."""
    explore, waits = Training._explore_and_update, []

    @wraps(at_once)
    def plan(*arguments: Any) -> Any:
        waits.append(len(waits))
        with waiting("default"):
            return at_once(*arguments)

    def strict(self: Training, step: int) -> Any:
        with waiting("error" if step > 20 else "default"):  # graphs are recorded by then
            return explore(self, step)

    monkeypatch.setattr("eval.running.train.at_once", plan)
    monkeypatch.setattr(Training, "_explore_and_update", strict)
    code, run = tiny("--online-steps", "40", "--eval-every", "20")
    assert code == 0 and run.status == "finished"
    assert len(waits) == 40 / 2, "a chunk is two actions long here"


def test_a_run_with_a_simulator_beside_it(tiny: Any, generated: Path):
    pytest.importorskip("ogbench")
    code, run = tiny("--task", "cube-single-task2", "--data", str(generated), "--workers", "1", "--eval-episodes", "1")
    assert code == 0
    assert_whole(run, seeds=1)


def test_the_benchmark_has_every_mode(tmp_path: Path, device: str):
    """Of a method that compiles quickly; on the task without a simulator."""
    modes = get_args(Mode)
    out = tmp_path / "bench.json"
    options = f"--methods bc --task probe-chain --preset quick --phases offline --repeats 2 --device {device} --out {out}"
    bench.main([*options.split(), "--modes", *modes])
    updates = json.loads(out.read_text())["updates"]
    assert [u["mode"] for u in updates] == list(modes) and all(u["ms"] > 0 for u in updates)
