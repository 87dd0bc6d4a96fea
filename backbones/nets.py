"""The multilayer perceptron that policies and critics share."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from backbones.dense import dense_gelu


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
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) if layer_norm else nn.Identity() for _ in range(depth))

    def forward(self, *inputs: Tensor) -> Tensor:
        lead = torch.broadcast_tensors(*(x[..., :1] for x in inputs))[0].shape[:-1]  # broadcast_shapes takes 20 times as long
        h = torch.cat([x.expand(*lead, x.shape[-1]) for x in inputs], -1)
        *hidden, last = self.layers
        for layer, norm in zip(hidden, self.norms, strict=True):
            h = norm(dense_gelu(layer, h))
        with torch.autocast(h.device.type, enabled=False):  # bfloat16 would round an action or a value to two digits
            return last(h.to(inputs[0].dtype))
