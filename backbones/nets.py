"""The multilayer perceptron that policies and critics share."""

from itertools import pairwise

import torch
from torch import Tensor, nn


class MLP(nn.Module):
    """Dense -> GELU (tanh form) [-> LayerNorm] for each hidden layer, then Dense (arXiv 2605.07727, Table 5).

    The inputs of a call are concatenated on their last axis, their leading axes broadcast. Glorot-uniform weights, zero
    biases; `output_gain` widens the last layer's weights.
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, layer_norm: bool, output_gain: float = 1.0):
        super().__init__()
        sizes = [inputs, *[width] * depth, outputs]
        layers = [nn.Linear(m, n) for m, n in pairwise(sizes)]
        for layer in layers:
            nn.init.xavier_uniform_(layer.weight, output_gain if layer is layers[-1] else 1.0)
            nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(depth)) if layer_norm else None

    def forward(self, *inputs: Tensor) -> Tensor:
        lead = torch.broadcast_tensors(*(x[..., :1] for x in inputs))[0].shape[:-1]  # broadcast_shapes takes 20 times as long
        h = torch.cat([x.expand(*lead, x.shape[-1]) for x in inputs], -1)
        for i, layer in enumerate(self.layers[:-1]):
            h = dense_gelu(layer, h)
            h = h if self.norms is None else self.norms[i](h)
        with torch.autocast(h.device.type, enabled=False):  # bfloat16 would round an action or a value to two digits
            return self.layers[-1](h.to(inputs[0].dtype))


def dense_gelu(layer: nn.Module, x: Tensor) -> Tensor:
    """GELU(W x + b), tanh form. What needs no gradient on a CPU (three quarters of DFP's arithmetic) is one fused kernel."""
    lower = torch.is_autocast_enabled(x.device.type)
    if x.device.type == "cpu" and (lower or x.dtype == torch.float32) and fused():
        dtype = torch.get_autocast_dtype("cpu") if lower else torch.float32
        arguments = x.to(dtype), layer.weight.to(dtype), layer.bias.to(dtype)
        return torch.ops.mkldnn._linear_pointwise(*arguments, "gelu", [], "tanh")
    return nn.functional.gelu(layer(x), approximate="tanh")


def fused() -> bool:
    """Whether the fused kernel, which has no gradient, may be called."""
    return bool(torch.backends.mkldnn.enabled) and not torch.is_grad_enabled()
