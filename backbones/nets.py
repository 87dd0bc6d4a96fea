"""The networks of policies and critics. The inputs of a call are joined on their last axis, their leading axes broadcast."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from backbones.dense import Dense, dense_gelu, gelu_


class MLP(nn.Module):
    """Dense -> GELU (tanh form) [-> LayerNorm] for each hidden layer, then Dense (arXiv 2605.07727, Table 5).

    Glorot-uniform weights, zero biases; `output_gain` widens the last layer's weights.
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, layer_norm: bool, output_gain: float = 1.0):
        super().__init__()
        hidden = [Dense(m, n) for m, n in pairwise([inputs, *[width] * depth])]
        layers = [*hidden, nn.Linear(width, outputs)]
        self.layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) if layer_norm else nn.Identity() for _ in hidden)
        for layer in layers:
            initialize(layer, output_gain if layer is layers[-1] else 1.0)

    def forward(self, *inputs: Tensor) -> Tensor:
        h = joined(*inputs)
        *hidden, last = self.layers
        for layer, norm in zip(hidden, self.norms, strict=True):
            h = norm(dense_gelu(layer, h))
        return in_float32(last, h)


class ResidualMLP(nn.Module):
    """Dense, then blocks x + Dense(GELU(Dense(LayerNorm(x)))) that are four times as wide inside, then GELU and Dense: the
    network of IDQL (arXiv 2304.10573), without its dropout and with this file's activation."""

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int):
        super().__init__()
        self.first, self.last = Dense(inputs, width), nn.Linear(width, outputs)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(blocks))
        self.widen = nn.ModuleList(Dense(width, 4 * width) for _ in range(blocks))
        self.narrow = nn.ModuleList(Dense(4 * width, width) for _ in range(blocks))
        for layer in (self.first, self.last, *self.widen, *self.narrow):
            initialize(layer)

    def forward(self, *inputs: Tensor) -> Tensor:
        h = self.first(joined(*inputs))
        for norm, widen, narrow in zip(self.norms, self.widen, self.narrow, strict=True):
            h = h + narrow(dense_gelu(widen, norm(h)))
        return in_float32(self.last, gelu_(h))


def joined(*inputs: Tensor) -> Tensor:
    """[..., m], [..., n], ... to [..., m + n + ...]."""
    lead = torch.broadcast_tensors(*(x[..., :1] for x in inputs))[0].shape[:-1]  # broadcast_shapes takes 20 times as long
    return torch.cat([x.expand(*lead, x.shape[-1]) for x in inputs], -1)


def in_float32(last: nn.Module, h: Tensor) -> Tensor:
    """The last layer, also where autocast lowers the others: bfloat16 would round an action or a value to two digits."""
    with torch.autocast(h.device.type, enabled=False):
        return last(h.float() if h.dtype == torch.bfloat16 else h)


def initialize(layer: nn.Linear, gain: float = 1.0) -> None:
    """Glorot-uniform weights, widened by `gain`, and zero biases."""
    nn.init.xavier_uniform_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
