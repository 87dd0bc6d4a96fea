"""The command itself, on a cluster of simulated time."""

import os
import random
import signal

import gymnasium
import pytest

from envs.own import own_task
from envs.task import find_task
from eval.sweep import __main__ as command
from eval.sweep.claims import FOLDER
from eval.sweep.data import prepare
from eval.sweep.engines.local import environments
from eval.sweep.screen import Screen
from tests.eval.sweep.simulate import Cluster


@pytest.fixture
def start(settings, tmp_path, monkeypatch):
    """Starts a sweep of DFP on probe-chain with further options, where there are no records."""
    monkeypatch.chdir(tmp_path)

    def call(cluster, *options):
        monkeypatch.setattr(command, "engine_of", lambda *_: cluster)
        return command.main(["--methods", "dfp", "--tasks", "probe-chain", *options, "--set", *settings])

    return call


def test_runs_that_fail_are_counted_by_seed_and_once(start, capsys):
    assert start(Cluster(2, 1.0, random.Random(0), 0.0), "--seeds", "0-2", "--together", "3", "--retries", "0") == 1
    said = capsys.readouterr()
    assert "0 runs finished, 3 failed, 0 are left" in said.out and "(3 of 3)" in said.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_that_a_signal_stopped_says_which(number, start, tmp_path, capsys):
    class Stopped(Cluster):
        def wait(self, handles):
            if not self.finished:
                os.kill(os.getpid(), number)
            super().wait(handles)

    assert start(Stopped(1, 0.0, random.Random(0), 0.0), "--seeds", "0-2") == 128 + number
    assert "1 runs finished, 0 failed, 2 are left\ncontinue with: " in capsys.readouterr().out
    assert not [*(tmp_path / "runs" / FOLDER).glob("*.stop")]


def test_what_fails_in_the_loop_asks_the_runs_under_way_to_stop(start, tmp_path, monkeypatch):
    def asked():
        return [*(tmp_path / "runs" / FOLDER).glob("*.stop")]

    class Watched(Cluster):
        def close(self):
            self.was_asked = asked()

    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(Screen, "look", fail)
    cluster = Watched(2, 0.0, random.Random(0), 0.0)
    with pytest.raises(ZeroDivisionError):
        start(cluster)
    assert cluster.was_asked and asked(), "jobs that wait in a queue look for it later"


def test_the_gpus_of_runs_are_those_that_the_sweep_sees(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in environments(3, 2)] == ["0", "1", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-8a")
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in environments(3, 2)] == ["2", "GPU-8a", "2"]
    assert environments(2, 0) == [{}, {}]


def test_data_are_made_ready_for_runs_that_learn_from_them(probes, monkeypatch):
    def missing(*_):
        raise FileNotFoundError("no data")

    monkeypatch.setattr(command, "prepare", missing)
    (own,), (none,) = probes(1), probes(1, "dataset=none", "offline_steps=0")
    assert command.made_ready([own, none], command.parse(["1"])) == {own: "no data"}


def test_data_that_are_there_need_no_folder_that_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    prepare(find_task("probe-chain"), tmp_path / "file" / "data")


def test_data_that_no_script_makes_are_named_as_missing(tmp_path):
    task = own_task(lambda: gymnasium.make("Pendulum-v1"), dataset="absent.npz")
    with pytest.raises(ValueError, match=r"^no absent.npz; a dataset is .*; Pendulum-v1: no script makes data for it"):
        prepare(task, tmp_path, rows=5)


@pytest.mark.parametrize("words", ["--hours -3", "--gpus -1", "--gpus nan", "--hours x"])
def test_amounts_are_numbers_of_at_least_0(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["1", "--dry-run", "--engine", "slurm", *words.split()])
    assert "is not a number of at least 0" in capsys.readouterr().err
