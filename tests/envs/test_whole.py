"""Files are whole or absent, also where a process is killed as it writes them."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from envs.files.hdf5 import Demo, create_demos
from envs.files.whole import LOCK, claim, replaced, staged

HOLD = """if True:
    import sys, time
    from pathlib import Path
    from envs.files.whole import staged
    with staged(Path(sys.argv[1])) as (path,):
        path.write_text("half")
        print("ready", flush=True)
        time.sleep(60)
"""


@pytest.fixture
def writing(tmp_path):
    """A process that is in the middle of writing the file `a`."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "a")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


def test_what_a_killed_process_left_goes_with_the_next_one_and_what_is_in_use_stays(writing, tmp_path):
    def write(text: str) -> None:
        with staged(tmp_path / "a") as (path,):
            path.write_text(text)

    write("one")
    assert len(list(tmp_path.iterdir())) == 2, "the other process still writes"
    writing.send_signal(signal.SIGKILL)
    writing.wait()
    assert (tmp_path / "a").read_text() == "one"
    write("two")
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "two"


def test_a_claim_names_who_has_it_and_ends_with_its_process(writing, tmp_path):
    (lock,) = tmp_path.glob(f".a.*/{LOCK}")
    with open(lock, "ab") as file:
        with pytest.raises(BlockingIOError, match=f"in use by process {writing.pid}"):
            claim(file)
        writing.kill()
        writing.wait()
        assert claim(file)


def test_no_old_file_stands_among_new_ones(tmp_path, monkeypatch):
    """Killed between two moves: the file that makes a dataset visible is not there, rather than the old one."""
    targets = [tmp_path / name for name in ("part", "whole")]
    for target in targets:
        target.write_text("old")
    moves = []

    def replace(source, target):
        moves.append((target, targets[-1].exists()))
        os.rename(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with staged(*targets) as paths:
        for path in paths:
            path.write_text("new")
    assert moves == [(targets[0], False), (targets[1], False)]


def test_a_disk_that_fills_up_in_hdf5_is_a_plain_error(tmp_path):
    """A real limit: no file may become larger than this."""
    pytest.importorskip("h5py")
    before, path = resource.getrlimit(resource.RLIMIT_FSIZE), tmp_path / "a.hdf5"
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as error, staged(path) as (whole,), create_demos(whole) as writer:
            writer.write(Demo({"actions": np.zeros((500, 7))}, "<mujoco/>", "okay", 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.value.filename == str(path) and not list(tmp_path.iterdir())


def test_an_error_without_a_name_gets_that_of_the_file(tmp_path):
    with pytest.raises(OSError, match="No space left on device") as error, staged(tmp_path / "new" / "a"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert error.value.filename == str(tmp_path / "new" / "a") and not list(tmp_path.iterdir())


def test_a_folder_that_takes_no_files_is_refused_by_the_file_s_name():
    with pytest.raises(OSError) as error, staged(Path("/proc/a.json")):
        raise AssertionError("not reached")
    assert error.value.filename == "/proc/a.json"


def test_a_link_leads_to_the_file_and_what_is_no_file_is_written_directly(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "file")
    with replaced(tmp_path / "link") as path:
        path.write_text("text")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "file").read_text() == "text"
    with replaced("/dev/null") as path:
        assert str(path) == "/dev/null"
