"""Actions moved up the gradient of Q (FMQ, github.com/chziakas/flow_map_policy; QGBS acts by it)."""

from collections.abc import Callable

from torch import Tensor
from torch.func import grad


def uphill(value: Callable[[Tensor], Tensor], action: Tensor) -> Tensor:
    """The unit vector along which a value [...] of the action [..., a] rises most: [..., a]."""
    gradient = grad(lambda a: value(a).sum())(action)
    return gradient / (gradient.norm(dim=-1, keepdim=True) + 1e-8)


def climbed(value: Callable[[Tensor], Tensor], action: Tensor, step: float) -> Tensor:
    """The actions [..., a] a step of this length further up, clipped."""
    return (action + step * uphill(value, action)).clamp(-1, 1)
