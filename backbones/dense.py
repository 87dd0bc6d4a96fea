"""Dense layers and GELU on a CPU, by the kernels that a measurement found fastest here.

Which that is differs: on AMD's processors oneDNN's products take half the time of torch's own; fused with GELU they are faster
than both in turn with AVX-512, and slower without. They round differently, so a run keeps its choice (`kernel`).
"""

import math
import os
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

Kernel = Literal["fused", "onednn", "torch"]  # of a product and the GELU after it; "fused" trains as "onednn"
KERNEL = "DENSE_KERNEL"  # the environment variable that holds the choice, also for processes that this one starts


class Dense(nn.Linear):
    """W x + b."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs)
        self.kernel = kernel()

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.dtype == torch.bfloat16:
            return linear(self, x.bfloat16())
        return product(x, self.weight, self.bias) if self.kernel != "torch" and by_onednn(x) else linear(self, x)


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """W x + b by torch; under vmap by a product and a sum, since its own would also multiply the bias by one."""
    if not mapped(layer.weight):
        return nn.functional.linear(x, layer.weight, layer.bias)
    return (x.reshape(-1, x.shape[-1]) @ layer.weight.mT).view(*x.shape[:-1], -1) + layer.bias


def mapped(parameter: Tensor) -> bool:
    """Whether it is that of many seeds under vmap. A compiler sees through vmap by itself."""
    return not torch.compiler.is_compiling() and torch._C._functorch.is_batchedtensor(parameter)


def dense_gelu(layer: nn.Module, x: Tensor) -> Tensor:
    """GELU(W x + b), tanh form. What needs no gradient (three quarters of DFP's arithmetic) may be one fused kernel."""
    lowered = layer.weight.dtype == torch.bfloat16
    if by_onednn(x) and not torch.is_grad_enabled() and (lowered or layer.kernel == "fused"):
        return fused(layer, x.bfloat16() if lowered else x)
    return gelu_(layer(x))


def fused(layer: nn.Module, x: Tensor) -> Tensor:
    """GELU(W x + b) as one kernel of oneDNN."""
    return torch.ops.mkldnn._linear_pointwise(x, layer.weight, layer.bias, "gelu", [], "tanh")


def by_onednn(x: Tensor) -> bool:
    """Whether oneDNN, which torch calls MKL-DNN, has this product; some builds of torch lack it, and it lacks float64.

    A compiler gets torch's own products: it cannot see into ours, and chooses kernels itself.
    """
    if torch.compiler.is_compiling():
        return False
    onednn = torch.backends.mkldnn
    return x.device.type == "cpu" and x.dtype != torch.float64 and onednn.is_available() and bool(onednn.enabled)


@cache
def has_bfloat16() -> bool:
    """Whether this processor has oneDNN's products in bfloat16: they take AVX-512. Without it they would be no faster."""
    if not by_onednn(x := torch.ones(1, 1, dtype=torch.bfloat16)):
        return False
    try:
        torch.ops.mkldnn._linear_pointwise(x, x, None, "none", [], "")
    except RuntimeError:
        return False
    return True


def kernel() -> Kernel:
    """The choice of this process and of those that it starts: what DENSE_KERNEL says, else what is fastest here.

    Torch's own where there is no oneDNN. ValueError for a name that is no kernel's.
    """
    if not by_onednn(torch.ones(1)):
        return "torch"
    if KERNEL not in os.environ:
        os.environ[KERNEL] = fastest()
    if (chosen := os.environ[KERNEL]) not in get_args(Kernel):
        raise ValueError(f"{KERNEL} '{chosen}': there are {', '.join(get_args(Kernel))}")
    return cast(Kernel, chosen)


@torch.no_grad()
def fastest() -> Kernel:
    """The fastest of the kernels, by one thread at a hidden layer's size, timed in turn: a sixth of a second.

    Each one's best time counts, which other load moves least, and a later kernel must be faster by a clear margin, so that a
    machine chooses the same every time.
    """
    x, layer = torch.linspace(-3, 3, 512 * 512).view(512, 512), nn.Linear(1, 1, device="meta")  # it draws no random numbers
    layer.weight, layer.bias = nn.Parameter(x / 512), nn.Parameter(x[0])
    layers: dict[Kernel, Callable[[], Tensor]] = {
        "fused": lambda: fused(layer, x),
        "onednn": lambda: gelu_(product(x, layer.weight, layer.bias)),
        "torch": lambda: gelu_(layer(x)),
    }
    times, threads = dict.fromkeys(layers, math.inf), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(15):
            for name, run in layers.items():
                begun = time.perf_counter()
                run()
                times[name] = min(times[name], time.perf_counter() - begun)
    finally:
        torch.set_num_threads(threads)
    chosen: Kernel = "fused"
    for name in layers:
        if times[name] < 0.9 * times[chosen]:
            chosen = name
    return chosen


def gelu_(x: Tensor) -> Tensor:
    """x sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3): the tanh form of GELU, as 1 + tanh(u) = 2 sigmoid(2u).

    On a CPU float32 is computed in this form: torch's tanh takes three times as long as its sigmoid. Where no gradient is
    wanted `x` is overwritten: new memory would cost as much again.
    """
    if x.device.type != "cpu" or x.dtype != torch.float32 or torch.compiler.is_compiling():
        return nn.functional.gelu(x, approximate="tanh")
    transformed = torch._C._are_functorch_transforms_active()  # as autograd itself asks: vmap and jvp need the rules below
    return Gelu.apply(x)[0] if torch.is_grad_enabled() or transformed else Gelu.value_(x)


LINEAR, CUBIC = torch.tensor(2 * math.sqrt(2 / math.pi)), 2 * math.sqrt(2 / math.pi) * 0.044715  # 2u = LINEAR x + CUBIC x^3
BLOCK = 2**17  # elements, half a megabyte: what a processor's cache keeps from one operation to the next


class Gelu(torch.autograd.Function):
    """GELU and its slope, which the backward pass multiplies by. Of the slope the derivatives are torch's own, of any order."""

    @staticmethod
    def value_(x: Tensor) -> Tensor:
        x = x.contiguous()
        for a in blocks(x):
            a.mul_(torch.addcmul(LINEAR, a, a, value=CUBIC).mul_(a).sigmoid_())
        return x

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        y, slope = (torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(2))
        for a, b, c in zip(blocks(x), blocks(y), blocks(slope), strict=True):
            twice_u = torch.addcmul(LINEAR, a, a, value=CUBIC).mul_(a)
            sigmoid = twice_u.sigmoid()
            torch.mul(a, sigmoid, out=b)
            rest = twice_u.neg_().sigmoid_()  # 1 - sigmoid would have no digits where it is near 0
            torch.addcmul(LINEAR, a, a, value=3 * CUBIC, out=c).mul_(b).mul_(rest).add_(sigmoid)  # sigmoid + rest y (2u)'
        return y, slope

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, output[1])
        ctx.save_for_forward(*inputs, output[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, grad_of_slope: Tensor | None) -> Tensor | None:
        x, slope = ctx.saved_tensors
        if grad_of_slope is None:
            return None if grad is None else grad * slope
        of_slope = grad_of_slope * curvature(x)
        return of_slope if grad is None else grad * slope + of_slope

    @staticmethod
    def jvp(ctx: Any, dx: Tensor) -> tuple[Tensor, Tensor]:
        x, slope = ctx.saved_tensors
        return dx * slope, dx * curvature(x)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None], x: Tensor) -> Any:
        return Gelu.apply(x), in_dims[0]


def blocks(x: Tensor) -> tuple[Tensor, ...]:
    return x.reshape(-1).split(BLOCK)


def curvature(x: Tensor) -> Tensor:
    """The second derivative of GELU."""
    twice_u, slope = x * (LINEAR + CUBIC * x * x), LINEAR + 3 * CUBIC * x * x
    sigmoid, rest = twice_u.sigmoid(), (-twice_u).sigmoid()
    return sigmoid * rest * (slope * (2 + x * slope * (rest - sigmoid)) + 6 * CUBIC * x * x)


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

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
        return torch.func.vmap(nn.functional.linear, in_dims)(*inputs), 0  # many products at once: oneDNN has no such call
