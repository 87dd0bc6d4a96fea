"""What ends a run before its time: a failure of its own, or something outside it, after which it can go on."""

import torch

from envs.command import in_words


class Diverged(RuntimeError):
    """A loss stopped being a finite number."""


def from_outside(error: Exception) -> str | None:
    """What this machine did to a run, in one line: a full disk, no memory, a process that is gone. None for all else."""
    if isinstance(error, OSError | MemoryError):
        return in_words(error)
    return in_words(MemoryError(str(error).rpartition("Allocator: ")[2])) if out_of_memory(error) else None


def out_of_memory(error: Exception) -> bool:
    """Torch has no class of its own for the memory of a CPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
