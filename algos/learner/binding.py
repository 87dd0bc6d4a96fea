"""Networks bound to their parameters: what a loss calls."""

from collections.abc import Callable, Mapping
from copy import deepcopy

from torch import Tensor, nn
from torch.func import functional_call

from algos.base import Nets, Policy
from backbones.base import Backbone, Network

Parameters = dict[str, dict[str, Tensor]]  # by network, then by parameter
Binding = Callable[[nn.Module, dict[str, Tensor]], Network]


def functional(module: nn.Module, values: dict[str, Tensor]) -> Network:
    """The module as a function of its inputs at these parameters, which may be those of many seeds under vmap."""
    return lambda *inputs: functional_call(module, values, inputs)


def holding(module: nn.Module, values: dict[str, Tensor]) -> nn.Module:
    """A copy of the module with these parameters: it shares the memory of tensors; `nn.Parameter`s are the very ones, so that a
    loss gives them their gradient. Calls cost less than functional ones."""
    copy = deepcopy(module)
    for key, p in copy.named_parameters():
        p.requires_grad_(values[key].requires_grad)
    copy.load_state_dict(values, assign=True)
    return copy


def bind(
    backbone: Backbone,
    modules: dict[str, nn.Module],
    params: Parameters,
    slow: Parameters | None = None,
    network: Binding = functional,
) -> Nets:
    """Networks as functions, by name, with slow copies under `.slow` and, under `.constant`, without gradient to themselves."""

    def bound(values: Parameters) -> Nets:
        return by_name(backbone, {name: network(modules[name], own) for name, own in values.items()})

    nets = bound(params)
    nets.slow = bound(slow or {})
    nets.constant = bound({name: {key: p.detach() for key, p in net.items()} for name, net in params.items()})
    return nets


def by_name(backbone: Backbone, functions: Mapping[str, Callable[..., Tensor]]) -> Nets:
    """Networks by name, the actor's as a policy of the backbone."""
    return Nets(**{name: Policy(backbone, function) if name == "actor" else function for name, function in functions.items()})
