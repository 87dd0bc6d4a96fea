"""Whose contracts are tested: every backbone's and algorithm's, or that of `pytest --backbone FILE` or `--algo FILE`."""

from typing import Any

from algos.base import Algorithm
from backbones.base import Backbone, names

FOLDERS = {Backbone: "backbones", Algorithm: "algos"}
given: dict[Any, str] = {}
"""From outside, by kind; conftest.py fills it in before tests are collected."""


def every(kind: Any) -> list[str]:
    """The names of the suite's own, and of the one from outside."""
    return names(FOLDERS[kind], kind) + ([given[kind]] if kind in given else [])
