"""How commands speak, and what they take for granted."""

import os
import signal
import sys
from types import SimpleNamespace

import pytest

from envs import generate
from envs.command import run_command


def test_a_command_that_is_stopped_says_only_that(capsys):
    """What it has written until then is its own business."""
    with pytest.raises(SystemExit) as exit:
        run_command(lambda: signal.raise_signal(signal.SIGTERM))
    assert exit.value.code == 128 + signal.SIGTERM and capsys.readouterr().err == "stopped\n"


def test_as_many_workers_generate_as_there_are_cores_for_them(monkeypatch):
    workers = []

    def made(folder, rows, seed, count, *_):
        workers.append(count)
        return folder, {"rows": 0, "episodes": 0}

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 5, 6})
    monkeypatch.setattr(generate, "find_task", lambda _: SimpleNamespace(generate=made))
    monkeypatch.setattr(sys, "argv", ["generate", "any"])
    generate.main()
    assert workers == [5]
