"""The hidden layer on a CPU, by each of its kernels: values, and derivatives of any order, are those of torch."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from backbones.dense import KERNEL, Dense, Kernel, Product, dense_gelu, fastest, gelu_, kernel


@pytest.fixture(params=get_args(Kernel))
def layer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Dense:
    monkeypatch.setenv(KERNEL, request.param)
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


@pytest.mark.parametrize("grad", [False, True])
def test_gelu_is_torch_s_for_any_size_and_layout(grad: bool):
    views = torch.randn(3, 4).T, torch.randn(4, 6)[:, ::2], torch.randn(1, 4).expand(3, 4)
    for x in (torch.linspace(-30, 30, 200_001), *views, torch.randn(0, 4), torch.tensor(0.5)):
        x = x.requires_grad_(grad)
        torch.testing.assert_close(gelu_(x.clone()), nn.functional.gelu(x, approximate="tanh"), rtol=1e-6, atol=1e-6)


def test_derivatives_of_gelu_are_exact():
    """Up to the third, beside float64."""
    x = torch.linspace(-6, 6, 1001, requires_grad=True)
    exact_x = x.detach().double().requires_grad_()
    ours, exact = gelu_(x), nn.functional.gelu(exact_x, approximate="tanh")
    for _ in range(4):
        torch.testing.assert_close(ours, exact.float(), rtol=1e-6, atol=1e-6)
        (ours,) = torch.autograd.grad(ours.sum(), x, create_graph=True)
        (exact,) = torch.autograd.grad(exact.sum(), exact_x, create_graph=True)


def test_layers_and_their_gradients_can_be_mapped_over_inputs_and_parameters(layer: Dense):
    x, weights = torch.randn(6, 3, 7), torch.randn(6, 5, 7)

    def slope(dense: Layer) -> Callable[[Tensor, Tensor], Tensor]:
        def of(weight: Tensor, x: Tensor) -> Tensor:
            parameters = {"layer.weight": weight, "layer.bias": layer.bias}
            return torch.func.functional_call(Caller(dense, layer), parameters, (x,)).square().sum()

        return torch.func.grad(of)

    ours, torch_s = (torch.func.vmap(slope(dense))(weights, x) for dense in (dense_gelu, plain))
    torch.testing.assert_close(ours, torch_s, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(torch.func.vmap(lambda x: dense_gelu(layer, x))(x), plain(layer, x))


@pytest.mark.parametrize(("where", "value"), [("enabled", False), ("is_available", lambda: False)])
def test_float64_and_a_library_that_is_off_or_missing_use_torch_s_product(
    monkeypatch: pytest.MonkeyPatch, where: str, value: Any
):
    monkeypatch.setenv(KERNEL, "fused")
    monkeypatch.setattr(Product, "forward", None)  # a call would fail
    layer, x = Dense(7, 5), torch.randn(3, 7)
    with pytest.raises(TypeError):
        layer(x)
    layer.double()(x.double())
    monkeypatch.setattr(f"torch.backends.mkldnn.{where}", value)
    assert torch.equal(layer.float()(x), nn.functional.linear(x, layer.weight, layer.bias))
    assert kernel() == "torch"


def test_a_name_that_is_no_kernel_s_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(KERNEL, "fastest")
    with pytest.raises(ValueError, match="DENSE_KERNEL 'fastest': there are fused, onednn, torch"):
        Dense(7, 5)


def test_a_kernel_is_chosen_once_and_for_the_processes_that_this_one_starts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(KERNEL, raising=False)
    monkeypatch.setattr("backbones.dense.fastest", lambda: "onednn")
    assert Dense(7, 5).kernel == "onednn"
    monkeypatch.setattr("backbones.dense.fastest", None)
    assert Dense(7, 5).kernel == os.environ[KERNEL] == "onednn"
    code = "from backbones.dense import Dense; print(Dense(7, 5).kernel)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "onednn\n"


def test_choosing_draws_no_random_numbers():
    """The first network of a process measures while a seed's generator is in place."""
    state = torch.get_rng_state()
    fastest()
    assert torch.equal(torch.get_rng_state(), state)


def test_what_takes_longer_is_not_chosen(monkeypatch: pytest.MonkeyPatch):
    """A clock that only the kernels move, by what each takes."""
    seconds, now = {"fused": 1.0, "onednn": 1.0, "torch": 1.0}, [0.0]

    def takes(name: str) -> Callable[..., Tensor]:
        def run(*_: Any) -> Tensor:
            now[0] += seconds[name]
            return torch.ones(1)

        return run

    monkeypatch.setattr("backbones.dense.time.perf_counter", lambda: now[0])
    monkeypatch.setattr("backbones.dense.fused", takes("fused"))
    monkeypatch.setattr("backbones.dense.product", takes("onednn"))
    monkeypatch.setattr(nn.Linear, "forward", takes("torch"))
    assert fastest() == "fused"
    seconds["onednn"] = 0.92  # no clear margin
    assert fastest() == "fused"
    seconds |= {"onednn": 0.8, "torch": 0.75}
    assert fastest() == "onednn"
    seconds["torch"] = 0.5
    assert fastest() == "torch"


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
