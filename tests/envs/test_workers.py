"""Processes that compute for another: how they are missed, and how they end."""

import os
import signal
import subprocess
import sys
import time

import pytest

from envs.workers import Lost, Pool

BEGIN = (os.nice, 0)  # what each process does first: nothing

FROM_STANDARD_INPUT = """
import os, time
from envs.workers import Pool
with Pool(1, os.nice, 0) as pool, pool.watched():
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(60 * WAIT)
"""


def from_standard_input(wait: int) -> subprocess.Popen:
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    process = subprocess.Popen([sys.executable, "-"], stdin=pipe, stdout=pipe, stderr=nowhere, text=True)
    process.stdin.write(FROM_STANDARD_INPUT.replace("WAIT", str(wait)))
    process.stdin.close()
    return process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_worker_is_missed_by_name(number):
    with pytest.raises(Lost, match=f"a worker process was killed by {number.name}"), Pool(2, *BEGIN) as pool, pool.watched():
        os.kill(pool.submit(os.getpid).result(), number)
        pool.submit(time.sleep, 60).result()


def test_a_worker_that_cannot_begin_says_so_and_blames_no_memory():
    with (
        pytest.raises(Lost, match="ended with exit code 7, for the reason above"),
        Pool(1, os._exit, 7) as pool,
        pool.watched(),
    ):
        pool.submit(os.getpid).result()


def test_a_script_from_standard_input_has_workers():
    process = from_standard_input(wait=0)
    assert int(process.stdout.read()) > 0 and process.wait() == 0
    process.stdout.close()


def test_workers_end_with_a_process_that_is_killed():
    process = from_standard_input(wait=1)
    worker = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 600
    while alive(worker):
        assert time.monotonic() < deadline, "an orphan stays"
        time.sleep(0.02)


def alive(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
