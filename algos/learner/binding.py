"""Networks bound to their parameters: what a loss calls."""

from collections.abc import Callable, Mapping
from copy import deepcopy

from torch import Tensor, nn

from algos.base import Nets, Policy
from backbones.base import Backbone, Network
from backbones.nets import Bound

Parameters = dict[str, dict[str, Tensor]]  # by network, then by parameter; buffers count as parameters that nothing trains
Binding = Callable[[nn.Module, dict[str, Tensor]], Network]


def holding(module: nn.Module, values: dict[str, Tensor]) -> nn.Module:
    """A copy of the module that owns these values, not copies of them: what changes them changes it, and its loss leaves its
    gradient on them. It is called at less cost than `Bound`."""
    copy = deepcopy(module)
    for key, p in copy.named_parameters():
        p.requires_grad_(values[key].requires_grad)
    copy.load_state_dict(values, assign=True)
    return copy


def trainable(modules: Mapping[str, nn.Module], params: Parameters) -> Parameters:
    """The same values, those that the modules train as `nn.Parameter`s in the memory that they have."""
    trained = {name: {key for key, p in module.named_parameters() if p.requires_grad} for name, module in modules.items()}
    return {
        name: {key: nn.Parameter(x) if key in trained[name] else x for key, x in values.items()}
        for name, values in params.items()
    }


def bind(
    policies: Mapping[str, Backbone],
    modules: Mapping[str, nn.Module],
    params: Parameters,
    slow: Parameters | None = None,
    network: Binding = Bound,
) -> Nets:
    """The networks by name, with their slow copies and, constant, themselves without gradient (`algos.base.Nets`)."""

    def bound(values: Parameters) -> Nets:
        return by_name(policies, {name: network(modules[name], own) for name, own in values.items()})

    nets = bound(params)
    nets.slow = bound(slow or {})
    nets.constant = bound({name: {key: p.detach() for key, p in values.items()} for name, values in params.items()})
    return nets


def by_name(policies: Mapping[str, Backbone], networks: Mapping[str, Network]) -> Nets:
    """Networks by name, policies bound to their backbones."""
    return Nets(**{name: Policy(policies[name], net) if name in policies else net for name, net in networks.items()})
