"""The multilayer perceptron that policies and critics share."""

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
        self.layers = nn.ModuleList(nn.Linear(m, n) for m, n in zip(sizes, sizes[1:], strict=False))
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(depth)) if layer_norm else None
        for layer in self.layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.layers[-1].weight *= output_gain

    def forward(self, *inputs: Tensor) -> Tensor:
        lead = torch.broadcast_shapes(*(x.shape[:-1] for x in inputs))
        h = torch.cat([x.expand(*lead, x.shape[-1]) for x in inputs], -1)
        for i, layer in enumerate(self.layers[:-1]):
            h = nn.functional.gelu(layer(h), approximate="tanh")
            h = h if self.norms is None else self.norms[i](h)
        return self.layers[-1](h)
