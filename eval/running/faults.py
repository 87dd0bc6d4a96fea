"""What ends a run before its time: a failure of its own, or something outside it, after which it can go on."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from algos.base import Algorithm
from backbones.base import Backbone
from envs import outside
from envs.command import in_words
from eval.config.config import name_of


class Diverged(RuntimeError):
    """A loss stopped being a finite number."""


def from_outside(error: Exception) -> str | None:
    """What this machine did to a run, in one line: a full disk, no memory, a process that is gone. None for all else."""
    if isinstance(error, OSError | MemoryError):
        return in_words(error)
    return in_words(MemoryError(str(error).rpartition("Allocator: ")[2])) if out_of_memory(error) else None


@contextmanager
def blamed_on(*parts: Backbone | Algorithm) -> Iterator[None]:
    """What goes wrong in a part's file, where it is one from outside, becomes that file's Fault; all else stays as it is."""
    try:
        yield
    except Exception as error:  # whatever a file raises
        for name in map(name_of, parts):
            if outside.is_outside(name) and outside.line_in(error, name) and not from_outside(error):
                raise outside.Fault(f"{name}: its networks cannot be made, {outside.in_words(error, name)}") from error
        raise


def out_of_memory(error: Exception) -> bool:
    """Torch has no class of its own for the memory of a CPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
