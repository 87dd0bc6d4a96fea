"""Files that are whole or absent, whenever the process that writes them ends, and by whichever death.

A process that is killed leaves its staging folder behind; the next one to write the same file removes it.
"""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

LOCK = ".lock"  # in a staging folder: held by the process that writes there


@contextmanager
def staged(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Paths to write `targets`, files of one folder, to; they move to their places in this order when the block ends well.

    So the file that makes a dataset visible comes last; one that is replaced goes first, lest it stand among new ones. When the
    block fails nothing is left behind; an OSError that names no file, or one that nobody asked for, names the last target.
    """
    folder, prefix = targets[-1].parent, f".{targets[-1].stem}.writing-"
    try:
        with made(folder), _staging(folder, prefix) as staging:
            sources = tuple(staging / target.name for target in targets)
            yield sources
            for source in sources:
                with open(source, "rb") as file:
                    os.fsync(file.fileno())
            if len(targets) > 1:
                targets[-1].unlink(missing_ok=True)
            for source, target in zip(sources, targets, strict=True):
                os.replace(source, target)
    except OSError as error:
        named = error.filename and prefix not in str(error.filename)
        if error.errno is None or named:
            raise
        raise type(error)(error.errno, error.strerror, str(targets[-1])) from None


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """`staged` for one file: a link leads to what is replaced, and what is no file (/dev/stdout) is written directly.

    OSError at once where it cannot be written.
    """
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        yield path
    else:
        with staged(path) as (whole,):
            yield whole


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """`folder` exists in the block; what had to be made for it and is empty at the end is removed again."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for path in missing:
            with suppress(OSError):
                path.rmdir()  # succeeds only while it is empty


def claim(file: IO) -> bool:
    """Locks an open file against other processes until it is closed, or its process ends by whichever death.

    BlockingIOError, in words, when another process has it. False where the file system has no locks, as some network ones:
    nobody is kept out there. On NFS the lock holds between machines, unless it is mounted with `nolock` or `local_lock`.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(f"in use by {_holder(file)}") from None
    except OSError:
        return False
    return True


def wait_for_turn(file: IO) -> None:
    """Locks an open file as `claim` does, but waits while another process has it."""
    with suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_EX)


def _holder(file: IO) -> str:
    """The process that has locked a file, by the kernel's list of this machine's locks."""
    with suppress(OSError), open("/proc/locks") as locks:
        inode = str(os.fstat(file.fileno()).st_ino)
        for line in locks:  # 2: FLOCK ADVISORY WRITE 22785 fe:00:2146341 0 EOF; those who wait have an arrow more
            fields = line.split()
            if "->" not in fields and fields[5].rpartition(":")[2] == inode:
                return f"process {fields[4]}"
    return "another process"


@contextmanager
def _staging(folder: Path, prefix: str) -> Iterator[Path]:
    """A fresh folder in `folder`, which is removed at the end, as are those of processes that were killed."""
    for left in folder.glob(f"{prefix}*"):
        with suppress(OSError), open(left / LOCK, "ab") as lock:
            if claim(lock):
                shutil.rmtree(left)
    staging, claimed = _claimed_folder(folder, prefix)
    with claimed:
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _claimed_folder(folder: Path, prefix: str) -> tuple[Path, IO]:
    while True:
        staging = Path(tempfile.mkdtemp(dir=folder, prefix=prefix))
        with suppress(FileNotFoundError, BlockingIOError):  # another process takes it for one that was left, just now
            lock = open(staging / LOCK, "ab")  # noqa: SIM115 - it stays open, and with it the claim
            claim(lock)
            os.stat(staging / LOCK)
            return staging, lock
