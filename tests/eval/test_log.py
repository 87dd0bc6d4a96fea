"""Records as TensorBoard and W&B read them."""

import sys
import threading
import time
from contextlib import closing
from statistics import fmean
from typing import ClassVar

import pytest

from envs.command import run_command
from eval import log
from eval.results import record


@pytest.fixture
def command(monkeypatch):
    def start(*options: object) -> None:
        monkeypatch.setattr(sys, "argv", ["log", *map(str, options)])
        run_command(log.main)

    return start


def test_scalars_are_the_record_s(tiny):
    _, run = tiny("--seeds", "0", "3")
    for index, seed in enumerate((0, 3)):
        found = dict(log.scalars(run, seed))
        assert list(found) == sorted(found)
        for line in run.metrics:
            step = run.training_step(line)
            assert all(found[step][f"{line['phase']}/{name}"] == each[index] for name, each in line["values"].items())
        for line in run.evaluations:
            if line["seed"] == seed:
                assert found[run.training_step(line)]["evaluation/success"] == fmean(line["success"])


class Kept:
    """A log that keeps what it is given."""

    all: ClassVar[list] = []

    def __init__(self, folder, run, seed):
        self.seed = seed

    def write(self, step, scalars):
        Kept.all += [(self.seed, step, name) for name in scalars]

    def close(self):
        Kept.all.append("closed")


def test_a_growing_record_is_followed_to_its_end_and_nothing_is_logged_twice(tiny, command, monkeypatch, capsys):
    _, run = tiny()
    *lines, end = run.path.read_text().splitlines(keepends=True)
    run.path.write_text("".join(lines[:3]))
    monkeypatch.setattr(log, "PAUSE", 0.01)
    monkeypatch.setattr(Kept, "all", [])
    monkeypatch.setitem(log.LOGS, "tensorboard", Kept)

    def grow():
        for line in [*lines[3:], lines[-1], end]:
            with open(run.path, "a") as file:
                file.write(line)

    threading.Timer(0.05, grow).start()
    with closing(record.Writer(run.path)):
        command(run.path.parent, "out", "--to", "tensorboard", "--follow")
    *found, closed = Kept.all
    assert closed == "closed" and len(set(found)) == len(found)
    assert len(found) == sum(len(values) for _, values in log.scalars(record.read(run.path), 0))


def test_a_run_that_died_is_followed_to_its_last_line(tiny, command, monkeypatch, capsys):
    """It has no line that says how it ended, and nobody holds it."""
    _, run = tiny()
    *lines, last, _ = run.path.read_text().splitlines(keepends=True)
    run.path.write_text("".join(lines))
    monkeypatch.setattr(Kept, "all", [])
    monkeypatch.setitem(log.LOGS, "tensorboard", Kept)
    looks = []

    def pause(_: float) -> None:
        looks.append(1)
        assert len(looks) == 1
        with run.path.open("a") as file:
            file.write(last)

    monkeypatch.setattr(log.time, "sleep", pause)
    command(run.path.parent, "out", "--to", "tensorboard", "--follow")
    assert "no process has it" in capsys.readouterr().err
    *found, closed = Kept.all
    assert closed == "closed" and len(found) == sum(len(values) for _, values in log.scalars(record.read(run.path), 0))


@pytest.mark.parametrize(("to", "package"), [("tensorboard", "tensorboardX"), ("wandb", "wandb")])
def test_each_tool_gets_its_files(tiny, command, tmp_path, to, package):
    pytest.importorskip(package)
    _, run = tiny("--seeds", "0", "3")
    command(run.path.parent, tmp_path / "out", "--to", to)
    files = list((tmp_path / "out").rglob("events.out*" if to == "tensorboard" else "*.wandb"))
    waited = 0  # for W&B's own process, which writes on
    while not (whole := all(b"critic_loss" in path.read_bytes() for path in files)) and waited < 100:
        time.sleep(0.1)
        waited += 1
    assert len(files) == 2 and whole


def test_what_cannot_be_is_refused_in_one_line(tiny, refused, tmp_path, monkeypatch):
    def words(*options: object) -> str:
        monkeypatch.setattr(sys, "argv", ["log", *map(str, options)])
        return refused(main=lambda _: run_command(log.main))

    assert "no such file or folder" in words(tmp_path / "nowhere", tmp_path / "out", "--to", "wandb")
    _, run = tiny()
    for to, package in (("tensorboard", "tensorboardX"), ("wandb", "wandb")):
        monkeypatch.setitem(sys.modules, package, None)
        assert f"{package} is not installed: pip install -c constraints.txt -e '.[log]'" in words(
            run.path.parent, tmp_path / "out", "--to", to
        )
