"""The networks, written out."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from backbones.nets import MLP, Bound, ResidualMLP, joined, lowered


def gelu(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * (1 + (2**0.5 / torch.pi**0.5 * (x + 0.044715 * x**3)).tanh())


def test_the_multilayer_perceptron_is_dense_gelu_layer_norm_and_dense():
    net, x = MLP(3, 2, 8, 2, layer_norm=True), torch.randn(5, 3)
    h = x
    for layer, norm in zip(net.layers[:2], net.norms, strict=True):
        h = gelu(h @ layer.weight.T + layer.bias)
        h = (h - h.mean(-1, keepdim=True)) / (h.var(-1, correction=0, keepdim=True) + 1e-6).sqrt() * norm.weight + norm.bias
    torch.testing.assert_close(net(x), h @ net.layers[2].weight.T + net.layers[2].bias)


def test_a_residual_block_adds_what_it_computes_of_its_normalised_input():
    net, x = ResidualMLP(3, 2, 8, 2), torch.randn(5, 3)
    for p in net.parameters():
        nn.init.normal_(p, std=0.5)
    h = net.first(x)
    for norm, widen, narrow in zip(net.norms, net.widen, net.narrow, strict=True):
        assert widen.weight.shape == (32, 8) and narrow.weight.shape == (8, 32)
        normal = nn.functional.layer_norm(h, (8,), norm.weight, norm.bias, 1e-6)
        h = h + gelu(normal @ widen.weight.T + widen.bias) @ narrow.weight.T + narrow.bias
    torch.testing.assert_close(net(x), gelu(h) @ net.last.weight.T + net.last.bias)


def test_inputs_are_joined_with_their_leading_axes_broadcast():
    a, b = torch.randn(4, 1, 3), torch.randn(6, 2)
    both = joined(a, b)
    assert both.shape == (4, 6, 5) and torch.equal(both[2, 5], torch.cat([a[2, 0], b[5]]))


@pytest.mark.usefixtures("bfloat16")
@torch.no_grad()
def test_the_last_layer_stays_in_float32_where_the_others_are_lowered():
    x = torch.randn(5, 3)
    for net in (MLP(3, 2, 64, 2, layer_norm=True), ResidualMLP(3, 2, 64, 2)):
        low = lowered(net)(x)
        assert low.dtype == torch.float32 and not torch.equal(low, low.bfloat16().float())
        assert 1e-5 < (low - net(x)).abs().max() < 0.1


@pytest.mark.parametrize("seeds", [None, 3], ids=["one seed", "vmap"])
def test_on_a_gpu_nothing_raises_lowered_activations_again(seeds: int | None):
    """Products, sums, GELU and LayerNorm of a hidden layer give bfloat16; shown on the device `meta`."""
    net = MLP(3, 2, 64, 2, layer_norm=True).to("meta")
    values = {key: p.detach() if seeds is None else p.expand(seeds, *p.shape) for key, p in net.named_parameters()}
    x = torch.randn(*([seeds] if seeds else []), 5, 7, 3, device="meta")
    seen, size = [], 5 * 7 * 64 * (seeds or 1)

    class Hidden(TorchDispatchMode):
        def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            results = operation(*args, **(kwargs or {}))
            seen.extend(y.dtype for y in tree_leaves(results) if y.shape[-1:] == (64,) and y.numel() == size)
            return results

    def call(values: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return lowered(Bound(net, values))(x)

    with Hidden(), torch.no_grad():
        assert (torch.func.vmap(call) if seeds else call)(values, x).dtype == torch.float32
    lasts = seen.index(torch.float32)
    assert lasts > 6 and set(seen[lasts:]) == {torch.float32}  # the last layer's input, and views of it
