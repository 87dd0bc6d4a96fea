"""What the machine can do to a run: it ends in one line, loses nothing, and goes on with --resume."""

import os
import re
import resource
import signal

import pytest
import torch

from eval import run
from eval.results import record
from eval.running.train import Training

LOST = os.EX_TEMPFAIL


def checkpoint(run: record.Run) -> dict:
    return torch.load(run.path.with_name("checkpoint.pt"), weights_only=True)


def numbers(run: record.Run) -> tuple:
    state = checkpoint(run)
    return run.evaluations, run.metrics, str(state["learner"]), str(state["explorers"])


@pytest.fixture
def limit():
    """Sets a real limit to the size of files, until the test ends."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_in_a_checkpoint_leaves_the_last_one(tiny, limit, capsys):
    _, whole = tiny()
    _, offline = tiny("--online-steps", "0")
    limit(offline.path.with_name("checkpoint.pt").stat().st_size + 1000)  # no room for online rows
    code, stopped = tiny()
    said, folder = capsys.readouterr(), stopped.path.parent
    assert code == LOST and said.err.splitlines()[-1] == f"error: {folder}/checkpoint.pt: file too large"
    assert said.out.splitlines()[-1].endswith("--resume") and stopped.status == "stopped"
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.pt", "offline.pt", "policies", "record.jsonl"]
    assert checkpoint(stopped)["done"] == {"offline": 6, "online": 0}
    limit(10**9)
    code, resumed = tiny("--resume")
    assert code == 0 and resumed.path == stopped.path and numbers(resumed) == numbers(whole)


def test_a_full_record_is_named_and_the_run_goes_on(tiny, monkeypatch, capsys):
    """A real one, too: /dev/full takes nothing."""
    full, writes = os.open("/dev/full", os.O_WRONLY), 0
    real = record.Writer.write

    def write(self, kind, **fields):
        nonlocal writes
        writes += 1
        if writes == 3:
            os.dup2(full, self._file.fileno())
            self._file.truncate = lambda size: None
        real(self, kind, **fields)

    _, whole = tiny()
    with monkeypatch.context() as patch:
        patch.setattr(record.Writer, "write", write)
        code, stopped = tiny()
    os.close(full)
    assert code == LOST and stopped.status == "unfinished", "no room for the end either"
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {stopped.path}: no space left on device"
    code, resumed = tiny("--resume")
    assert code == 0 and resumed.path == stopped.path and numbers(resumed) == numbers(whole)


@pytest.mark.parametrize(
    ("victim", "words", "done"),
    [
        (lambda training: training.evaluator._pool.workers[0].pid, "a worker process was killed by SIGKILL (out of", 4),
        (lambda training: training.explorers[0].simulator._process.pid, "a simulator's process was killed by SIGKILL", 2),
    ],
    ids=["that evaluates", "that simulates"],
)
def test_a_killed_process_is_missed_in_one_line_and_nothing_is_lost(tiny, monkeypatch, capsys, victim, words, done):
    seeds = ["--seeds", "0", "1"]
    _, whole = tiny(*seeds)
    explore = Training._explore_and_update

    def kill(self, step):
        if step == 3:
            os.kill(victim(self), signal.SIGKILL)
        return explore(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_explore_and_update", kill)
        code, stopped = tiny(*seeds, "--workers", "1")
    assert code == LOST and stopped.status == "stopped" and words in stopped.end["reason"]
    said = capsys.readouterr()
    assert said.err.splitlines()[-1].startswith(f"error: {words}") and said.out.splitlines()[-1].endswith("--resume")
    assert checkpoint(stopped)["done"]["online"] == done, "what was done until then is saved"
    code, resumed = tiny(*seeds, "--resume")
    assert code == 0 and numbers(resumed) == numbers(whole)


def test_what_a_signal_ended_first_is_no_fault_of_the_run(tiny, monkeypatch):
    """Ctrl-C reaches a compiler, too, whose end the update cannot survive."""

    def interrupted(self, step):
        os.kill(os.getpid(), signal.SIGINT)
        raise RuntimeError("the compiler ended with exit code -2")

    monkeypatch.setattr(Training, "_update_offline", interrupted)
    code, stopped = tiny()
    assert code == 128 + signal.SIGINT and (stopped.status, stopped.end["reason"]) == ("stopped", "SIGINT")


def test_a_run_in_use_is_not_resumed(tiny, tiny_options, refused, tmp_path):
    _, killed = tiny()
    *lines, _end = killed.path.read_text().splitlines(keepends=True)
    killed.path.write_text("".join(lines))
    resume = [*tiny_options, "--runs", str(tmp_path / "runs"), "--resume"]
    writer = record.Writer(killed.path)
    assert refused(*resume) == f"error: {killed.path.parent}: in use by process {os.getpid()}"
    writer.close()
    assert run.main(resume) == 0


def test_a_run_killed_before_its_first_checkpoint_begins_again(tiny, capsys):
    _, whole = tiny()
    start, *_ = whole.path.read_text().splitlines(keepends=True)
    expected = numbers(whole)
    whole.path.write_text(start)
    whole.path.with_name("checkpoint.pt").unlink()
    code, resumed = tiny("--resume")
    assert code == 0 and resumed.path == whole.path and numbers(resumed) == expected
    assert f"{whole.path.parent}: ended before its first checkpoint; it begins again" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--online-steps 100000000000", "--backbone.width 1000000000000"])
def test_more_than_memory_is_refused(refused, tiny_options, tmp_path, option):
    line = refused(*tiny_options, "--runs", str(tmp_path / "runs"), *option.split())
    assert "out of memory" in line and ("--replay-capacity" in line) == ("online" in option)


def test_a_checkpoint_cut_anywhere_is_named(tiny, tiny_options, refused, tmp_path):
    _, killed = tiny()
    *lines, _end = killed.path.read_text().splitlines(keepends=True)
    killed.path.write_text("".join(lines))
    path = killed.path.with_name("checkpoint.pt")
    whole = path.read_bytes()
    for size in (0, 1, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        line = refused(*tiny_options, "--resume", "--runs", str(tmp_path / "runs"))
        assert re.match(rf"error: {path}: not a readable checkpoint \(\w+\); without it --resume begins anew", line)


def test_bars_are_short_where_nobody_watches(tiny, capsys):
    tiny("--offline-steps", "60")
    assert len(capsys.readouterr().err) < 5000
