"""The networks of policies and critics. The inputs of a call are joined on their last axis, their leading axes broadcast."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from backbones.dense import Dense, dense_gelu, gelu_, linear, mapped


class MLP(nn.Module):
    """Dense -> GELU (tanh form) [-> LayerNorm] for each hidden layer, then Dense (arXiv 2605.07727, Table 5).

    Glorot-uniform weights, zero biases; `output_gain` widens the last layer's weights.
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, layer_norm: bool, output_gain: float = 1.0):
        super().__init__()
        hidden = [Dense(m, n) for m, n in pairwise([inputs, *[width] * depth])]
        layers = [*hidden, nn.Linear(width, outputs)]
        self.layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList(LayerNorm(width, eps=1e-6) if layer_norm else nn.Identity() for _ in hidden)
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
        self.norms = nn.ModuleList(LayerNorm(width, eps=1e-6) for _ in range(blocks))
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


def in_float32(last: Any, h: Tensor) -> Tensor:
    """The last layer, also of a network whose others are lowered: bfloat16 would round an action or a value to two digits."""
    return linear(last, h.float() if h.dtype == torch.bfloat16 else h)


class LayerNorm(nn.LayerNorm):
    """Under vmap, which computes scale and shift apart, they are one kernel; not where a gradient is wanted, which would take
    two more."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() or not mapped(self.weight):
            return super().forward(x)
        return torch.addcmul(self.bias, self.weight, nn.functional.layer_norm(x, self.normalized_shape, eps=self.eps))


class Bound:
    """A module at values that are not its own: those of many seeds under vmap, or lowered ones."""

    def __init__(self, module: nn.Module, values: dict[str, Tensor]):
        self.module, self.values = module, values

    def __call__(self, *inputs: Tensor) -> Tensor:
        return functional_call(self.module, self.values, inputs)


def lowered(net: Any) -> Bound:
    """The network with its hidden layers, as they are now, in bfloat16. All are cast together, which takes two kernels.

    A LayerNorm on a CPU keeps float32 parameters, which it takes beside bfloat16 inputs; a GPU's wants one type.
    """
    module, values = (net.module, net.values) if isinstance(net, Bound) else (net, dict(net.named_parameters()))
    kinds = Dense if next(iter(values.values())).device.type == "cpu" else Dense | nn.LayerNorm
    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, kinds)]
    own = {key: values[key] for name, layer in layers for key in (f"{name}.{k}" for k, _ in layer.named_parameters())}
    if not own:
        return Bound(module, values)
    cast = torch.cat([p.reshape(-1) for p in own.values()]).bfloat16().split([p.numel() for p in own.values()])
    return Bound(module, values | {key: x.view(p.shape) for (key, p), x in zip(own.items(), cast, strict=True)})


def initialize(layer: nn.Linear, gain: float = 1.0) -> None:
    """Glorot-uniform weights, widened by `gain`, and zero biases."""
    nn.init.xavier_uniform_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
