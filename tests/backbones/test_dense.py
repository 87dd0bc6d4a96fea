"""The hidden layer on a CPU: another library's products, whose derivatives are torch's own of any order."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from backbones.dense import Dense, Product, dense_gelu


@pytest.fixture
def layer() -> Dense:
    return Dense(7, 5)


def plain(layer: Any, x: Tensor) -> Tensor:
    return nn.functional.gelu(nn.functional.linear(x, layer.weight, layer.bias), approximate="tanh")


Layer = Callable[[Any, Tensor], Tensor]


def value(dense: Layer, layer: Dense, x: Tensor) -> Any:
    with torch.no_grad():
        return dense(layer, x)


def gradients(dense: Layer, layer: Dense, x: Tensor) -> Any:
    return torch.autograd.grad(dense(layer, x).square().sum(), (x, layer.weight, layer.bias))


def gradients_of_a_gradient(dense: Layer, layer: Dense, x: Tensor) -> Any:
    """As of a gradient penalty."""
    (slope,) = torch.autograd.grad(dense(layer, x).square().sum(), x, create_graph=True)
    return torch.autograd.grad(slope.square().sum(), (x, layer.weight, layer.bias))


def gradients_along_a_direction(dense: Layer, layer: Dense, x: Tensor) -> Any:
    """The derivative along x, as MeanFlow takes it, and what backpropagates through it."""
    y, dy = torch.func.jvp(lambda x: dense(layer, x), (x,), (x.detach().cos(),))
    return [y, dy, *torch.autograd.grad((y * dy).sum(), (x, layer.weight, layer.bias))]


def derivative_along_the_parameters(dense: Layer, layer: Dense, x: Tensor) -> Any:
    def of(weight: Tensor, bias: Tensor) -> Tensor:
        return torch.func.functional_call(Caller(dense, layer), {"layer.weight": weight, "layer.bias": bias}, (x,))

    weight, bias = layer.weight.detach(), layer.bias.detach()
    both = torch.func.jvp(of, (weight, bias), (weight.cos(), bias.cos()))
    return [*both, *torch.func.jvp(lambda b: of(weight, b), (bias,), (bias.cos(),))]


class Caller(nn.Module):
    def __init__(self, dense: Layer, layer: Dense):
        super().__init__()
        self.dense, self.layer = dense, layer

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.layer, x)


@pytest.mark.parametrize(
    "derivative",
    [value, gradients, gradients_of_a_gradient, gradients_along_a_direction, derivative_along_the_parameters],
)
@pytest.mark.parametrize("rows", [(), (1,), (3,), (4, 2), (2, 1, 3)], ids=str)
def test_values_and_derivatives_are_torch_s(layer: Dense, derivative: Callable[..., Any], rows: tuple[int, ...]):
    x = torch.randn(*rows, 7, requires_grad=True)
    torch.testing.assert_close(derivative(dense_gelu, layer, x), derivative(plain, layer, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("where", "value"), [("enabled", False), ("is_available", lambda: False)])
def test_float64_and_a_library_that_is_off_or_missing_use_torch_s_product(
    layer: Dense, monkeypatch: pytest.MonkeyPatch, where: str, value: Any
):
    monkeypatch.setattr(Product, "forward", None)  # a call would fail
    x = torch.randn(3, 7)
    with pytest.raises(TypeError):
        dense_gelu(layer, x)
    dense_gelu(layer.double(), x.double())
    monkeypatch.setattr(f"torch.backends.mkldnn.{where}", value)
    assert torch.equal(dense_gelu(layer.float(), x), plain(layer, x))


def test_a_layer_that_is_not_trained_gets_no_gradient(layer: Dense):
    layer.requires_grad_(False)
    x = torch.randn(3, 7, requires_grad=True)
    dense_gelu(layer, x).sum().backward()
    assert x.grad is not None and layer.weight.grad is None and layer.bias.grad is None


@pytest.mark.parametrize(
    "x", [torch.ones(1, 7).expand(5, 7), torch.ones(7, 5).T, torch.ones(5, 14)[:, ::2], torch.ones(4, 1, 7).expand(4, 3, 7)]
)
def test_inputs_that_are_views_do_as_well(layer: Dense, x: Tensor):
    parameters = layer.weight, layer.bias
    ours, torch_s = (torch.autograd.grad(y.sum(), parameters) for y in (layer(x), nn.functional.linear(x, *parameters)))
    torch.testing.assert_close(ours, torch_s)
