"""Sweeps of real runs on this machine: killed, stopped, refused, and two at once."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from eval.results import record
from eval.sweep.__main__ import main
from eval.sweep.attempt import CODE
from eval.sweep.claims import Claims, alive
from eval.sweep.drive import ask_to_stop
from eval.sweep.status import status


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr("eval.sweep.drive.PAUSE", 0)


def told(folder: Path) -> dict:
    """What a reader gets of each run, by its configuration."""
    runs = [record.read(path) for path in record.find(folder)]
    found = {run.start["digest"]: (run.status, run.evaluations, run.metrics) for run in runs}
    assert len(found) == len(runs), "no run is there twice"
    return found


class Killer(threading.Thread):
    """Kills processes of runs, one at a time, at random moments of the sweep, `times` times."""

    def __init__(self, runs: Path, times: int, pause: float, seed: int = 0):
        super().__init__(daemon=True)
        self.claims, self.times, self.pause, self.dice = Claims(runs), times, pause, random.Random(seed)
        self.killed = 0

    def run(self) -> None:
        while self.killed < self.times:
            time.sleep(self.dice.uniform(0, self.pause))
            running = [claim.facts["run"] for claim in self.claims.all() if claim.state == "running" and "run" in claim.facts]
            victims = [process for process in running if alive(process)]
            if victims:
                os.kill(self.dice.choice(victims)["pid"], signal.SIGKILL)
                self.killed += 1


def undisturbed(jobs, folder: Path) -> dict:
    """The same runs in this process, one after another."""
    from eval import run

    for job in jobs:
        assert run.main([*job.options, "--seeds", *map(str, job.seeds), "--runs", str(folder), "--workers", "0"]) == 0
    return told(folder)


def tortured(jobs, sweep, tmp_path: Path, kills: int, pause: float) -> None:
    """Runs are killed all the while; in the midst of it the sweep is stopped, and begun again."""
    killer = Killer(tmp_path, kills, pause)
    killer.start()
    first, second = sweep(jobs, retries=kills, name="first"), sweep(jobs, retries=kills, name="second")

    def stop() -> None:
        while killer.killed < kills // 2:
            time.sleep(0.1)
        time.sleep(killer.pause / 2)
        first.stop = True
        ask_to_stop(tmp_path, "first")

    threading.Thread(target=stop, daemon=True).start()
    first.run()
    second.run()
    died = [outcome.reason for one in (first, second) for _, outcome, again in one.screen.outcomes if again]
    assert died == ["ended by SIGKILL"] * kills
    assert told(tmp_path) == undisturbed(jobs, tmp_path / "undisturbed")


def test_a_run_that_was_killed_and_stopped_ends_with_the_record_of_an_undisturbed_one(probes, sweep, tmp_path):
    tortured(probes(1, "offline_steps=400"), sweep, tmp_path, kills=2, pause=4)


@pytest.mark.torture
def test_twenty_runs_killed_thirty_times(probes, sweep, tmp_path):
    tortured(probes(20, "offline_steps=400"), sweep, tmp_path, kills=30, pause=3)


def command(settings, runs: Path, seeds: str, parallel: int) -> list[str]:
    grid = f"-m eval.sweep --methods dfp --tasks probe-chain --seeds {seeds} --parallel {parallel} --runs {runs} --set"
    return [sys.executable, *grid.split(), *settings]


@pytest.mark.torture
def test_two_sweeps_at_once_of_which_one_is_killed_run_nothing_twice(settings, tmp_path):
    words = command([*settings, "offline_steps=400"], tmp_path / "runs", "0-7", 1)
    one, two = (subprocess.Popen(words, cwd=CODE, stderr=subprocess.PIPE, text=True) for _ in range(2))
    while len({claim.facts["sweep"] for claim in Claims(tmp_path / "runs").all()}) < 2:
        time.sleep(0.2)
        assert one.poll() is None and two.poll() is None
    one.kill()
    said = two.communicate()[1]
    assert two.returncode == 0
    found = told(tmp_path / "runs")
    assert len(found) == 8 and all(status == "finished" for status, *_ in found.values())
    assert 3 < said.count(": finished in ") < 9


@pytest.mark.torture
def test_ctrl_c_saves_every_run_and_says_how_to_continue(settings, tmp_path):
    words = command([*settings, "offline_steps=5000"], tmp_path / "runs", "0-2", 2)
    sweep = subprocess.Popen(words, cwd=CODE, stdout=subprocess.PIPE, text=True)
    while len(list((tmp_path / "runs").glob("*/*/checkpoint.pt"))) < 2:
        time.sleep(0.2)
        assert sweep.poll() is None
    sweep.send_signal(signal.SIGINT)
    output = sweep.communicate()[0]
    assert sweep.returncode == 130 and "\ncontinue with: python -m eval.sweep --methods dfp" in output
    assert [state for state, *_ in told(tmp_path / "runs").values()] == ["stopped"] * 2
    assert "3 runs of one seed: 1 waiting, 2 left" in status(tmp_path / "runs")


def test_data_that_cannot_be_had_fail_their_runs_and_no_others(settings, tmp_path, monkeypatch, capsys, tiny_options):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no network
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "commands.txt").write_text(f"{' '.join(tiny_options)}\n--task cube-double-task2\n")
    words = ["--from", str(tmp_path / "commands.txt"), "--runs", str(tmp_path / "runs"), "--data", str(tmp_path / "data")]
    assert main(words) == 1
    output = capsys.readouterr().out
    assert "1 runs finished, 1 failed, 0 are left" in output and "python -m envs.generate cube-double-task2" in output
    assert [status for status, *_ in told(tmp_path / "runs").values()] == ["finished"]
