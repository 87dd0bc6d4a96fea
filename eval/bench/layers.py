"""The parts of a hidden layer: what separates an update from its products."""

import statistics
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from backbones.dense import Dense, dense_gelu, gelu_
from eval.bench.clock import ROWS, WIDTH, seconds


def time_layers(device: str, repeats: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each part on a layer's rows, and of its value and gradients, the parts in turn."""
    x = torch.randn(ROWS, WIDTH, device=device, requires_grad=True)
    along, w = torch.randn(ROWS, WIDTH, device=device), torch.randn(WIDTH, WIDTH, device=device, requires_grad=True)
    dense, norm = Dense(WIDTH, WIDTH).to(device), nn.LayerNorm(WIDTH).to(device)
    parts: dict[str, Callable[[Tensor], Tensor]] = {
        "x @ w": lambda x: x @ w,
        "Dense": dense,
        "Dense and GELU": partial(dense_gelu, dense),
        "GELU": lambda x: gelu_(x.clone()),
        "LayerNorm": norm,
        "tanh": torch.tanh,
    }

    def value(part: Callable[[Tensor], Tensor]) -> None:
        with torch.no_grad():
            part(x)

    def gradients(part: Callable[[Tensor], Tensor]) -> None:
        torch.autograd.grad(part(x), [x, w, *dense.parameters(), *norm.parameters()], along, allow_unused=True)

    kinds = {"ms": value, "ms_with_gradients": gradients}
    times: dict[tuple[str, str], list[float]] = {(name, kind): [] for name in parts for kind in kinds}
    for _ in range(repeats + 1):  # the first round is not counted
        for name, kind in times:
            times[name, kind].append(seconds(partial(kinds[kind], parts[name]), device))
    return {name: {kind: 1e3 * statistics.median(times[name, kind][1:]) for kind in kinds} for name in parts}
