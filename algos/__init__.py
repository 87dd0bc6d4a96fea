"""One learning rule a file; a new file here is a new algorithm everywhere (command line, tests, tables)."""

from algos.base import ActorCritic, Algorithm

__all__ = ["ActorCritic", "Algorithm"]
