"""What asks a command to stop, and that a closed terminal does."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from envs.signals import stopped_by_signals

ROOT = Path(__file__).parents[2]
WAITS = """
import sys, time
from pathlib import Path
from envs.signals import stopped_by_signals

stopped = []
with stopped_by_signals(lambda: stopped.append(True)) as received:
    print("begun", flush=True)
    while not stopped:
        time.sleep(0.01)
print("said to nobody", flush=True)
Path(sys.argv[1]).write_text(str(received))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_once_and_is_listed(number, monkeypatch):
    monkeypatch.setattr("envs.signals._leave_terminal", lambda: None)
    before, asked = signal.getsignal(number), []
    with stopped_by_signals(lambda: asked.append(number)) as received:
        signal.raise_signal(number)
        assert received == asked == [number]
        assert signal.getsignal(number) == signal.SIG_DFL, "the second one ends the process"
    assert signal.getsignal(number) == before


def test_what_nohup_began_outlives_its_terminal():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopped_by_signals(lambda: None) as received:
            signal.raise_signal(signal.SIGHUP)
        assert received == []
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_closed_terminal_stops_a_command_that_still_prints(tmp_path):
    ours, theirs = pty.openpty()
    code = f"import fcntl, os, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n{WAITS}"
    words = [sys.executable, "-c", code, str(tmp_path / "received")]
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT) as waiting:
        os.close(theirs)
        assert os.read(ours, 100).strip() == b"begun"
        os.close(ours)
        assert waiting.wait(timeout=60) == 0
    assert (tmp_path / "received").read_text() == str([int(signal.SIGHUP)])
