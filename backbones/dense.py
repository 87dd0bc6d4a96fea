"""Dense layers: on a CPU their products are oneDNN's, on AMD's processors twice as fast as torch's own."""

from typing import Any

import torch
from torch import Tensor, nn


class Dense(nn.Linear):
    """W x + b."""

    def forward(self, x: Tensor) -> Tensor:
        if by_onednn(x) and not torch.is_autocast_enabled("cpu"):
            return product(x, self.weight, self.bias)
        return super().forward(x)


def dense_gelu(layer: nn.Module, x: Tensor) -> Tensor:
    """GELU(W x + b), tanh form. What needs no gradient (three quarters of DFP's arithmetic) is one fused kernel."""
    if by_onednn(x) and not torch.is_grad_enabled():
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        arguments: Any = x.to(dtype), layer.weight.to(dtype), layer.bias.to(dtype)
        return torch.ops.mkldnn._linear_pointwise(*arguments, "gelu", [], "tanh")
    return nn.functional.gelu(layer(x), approximate="tanh")


def by_onednn(x: Tensor) -> bool:
    """Whether oneDNN, which torch calls MKL-DNN, has this product; some builds of torch lack it, and it lacks float64."""
    onednn = torch.backends.mkldnn
    return x.device.type == "cpu" and x.dtype != torch.float64 and onednn.is_available() and bool(onednn.enabled)


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """W x + b on a CPU: x [..., m], weight [n, m], bias [n] to [..., n]."""
    return Product.apply(x, weight, bias) if torch.is_grad_enabled() else Product.forward(x, weight, bias)


class Product(torch.autograd.Function):
    """Its derivatives, of any order and in both directions: a product's are sums of products."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[:2])
        ctx.save_for_forward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight), rows = ctx.saved_tensors, grad.reshape(-1, grad.shape[-1])
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            product(grad, weight.T) if of_x else None,
            product(rows.T, x.reshape(-1, x.shape[-1]).contiguous().T) if of_weight else None,
            rows.sum(0) if of_bias else None,
        )

    @staticmethod
    def jvp(ctx: Any, dx: Tensor | None, dweight: Tensor | None, dbias: Tensor | None) -> Tensor:
        x, weight = ctx.saved_tensors
        moves = [] if dbias is None else [dbias.expand(*x.shape[:-1], -1)]
        moves += [] if dx is None else [product(dx, weight)]
        moves += [] if dweight is None else [product(x, dweight)]
        return sum(moves[1:], start=moves[0])
