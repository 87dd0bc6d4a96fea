"""Seconds of a call, and the two rates of a device that other times are measured in: of products and of memory."""

import time
from collections.abc import Callable
from typing import Any

import torch

ROWS, WIDTH = 4096, 512  # of a hidden layer: sixteen candidates in each of 256 states, at the paper's width
COPIED = 2**24  # numbers in float32, 64 MB: more than most caches hold


def seconds(function: Callable[[], Any], device: str = "cpu") -> float:
    """Wall time of one call, the device's queue empty before and after."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    begun = time.perf_counter()
    function()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def matrix_product(device: str) -> tuple[Callable[[], None], float]:
    """A float32 product of the networks' kind, repeated to last a while, and its floating-point operations."""
    repeats = 8 if device == "cpu" else 64
    x, w = torch.randn(ROWS, WIDTH, device=device), torch.randn(WIDTH, WIDTH, device=device)

    def run() -> None:
        for _ in range(repeats):
            x @ w

    return run, 2.0 * ROWS * WIDTH * WIDTH * repeats


def memory_copy(device: str) -> tuple[Callable[[], None], float]:
    """A copy from memory to memory, repeated on a GPU as the product is, and the bytes that it reads and writes."""
    repeats = 1 if device == "cpu" else 16
    source, target = torch.ones(2, COPIED, device=device)

    def run() -> None:
        for _ in range(repeats):
            target.copy_(source)

    return run, 2.0 * source.nbytes * repeats
