"""Seeds side by side: their tensors stacked on a leading axis, and a function of one seed mapped over it.

S seeds; a stacked tensor is [S, ...], its row i seed i's. `Vmap` makes one call for all seeds, as suits several on a GPU.
`Loop` makes a call for each, as suits a CPU, where one seed fills the machine and vmap was slower, and one seed on a GPU: vmap
would take more kernels for each layer. What one call works on is its part: a list of parts has one entry with `Vmap`, S with
`Loop`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_map

from algos.base import Nets
from algos.learner.binding import Parameters, holding
from backbones.nets import Bound

Tree = Any  # tensors in dicts, lists and named tuples
OfOneSeed = Callable[..., Tree]  # of its networks and its inputs

ALIGNMENT = 64  # bytes; matrix products and optimisers round differently at other addresses


class SeedAxis(ABC):
    """The axis of `count` seeds. `bind` makes networks of parameters and slow ones (`binding.bind`)."""

    def __init__(self, count: int, bind: Callable[..., Nets]):
        self.count, self.bind = count, bind

    @abstractmethod
    def stack(self, rows: Sequence[Tensor]) -> Tensor:
        """One tensor [S, ...] of the seeds' own."""

    @abstractmethod
    def parts(self, stacked: Tree) -> list[Tree]:
        """A stacked tree in parts, in the same memory."""

    @abstractmethod
    def inputs(self, stacked: Tree) -> list[Tree]:
        """A batch or noise in parts, as a mapped function takes them."""

    @abstractmethod
    def networks(self, params: list[Parameters], slow: list[Parameters]) -> list[Any]:
        """Networks of parameters in parts, as a mapped function takes them."""

    @abstractmethod
    def each(self, function: Callable[..., Tree], *part: Tree) -> Tree:
        """A function of one seed's tensors at every seed of one part."""

    @abstractmethod
    def call(self, function: OfOneSeed, networks: Any, *inputs: Tree) -> Tree:
        """The function at every seed of one part."""

    @abstractmethod
    def join(self, *results: Tensor) -> Tensor:
        """One tensor [S, ...] of what the parts' calls returned."""

    def map(self, function: OfOneSeed) -> Callable[..., Tree]:
        """The function at every seed: it takes lists of parts and returns tensors [S, ...]."""

        def of_all(*lists: list[Any]) -> Tree:
            return tree_map(self.join, *[self.call(function, *part) for part in zip(*lists, strict=True)])

        return of_all


class Vmap(SeedAxis):
    """One call for all seeds. It binds networks inside, where a parameter looks like one seed's."""

    def stack(self, rows: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(rows))

    def parts(self, stacked: Tree) -> list[Tree]:
        return [stacked]

    def inputs(self, stacked: Tree) -> list[Tree]:
        return [stacked]

    def networks(self, params: list[Parameters], slow: list[Parameters]) -> list[Any]:
        return list(zip(params, slow, strict=True))

    def each(self, function: Callable[..., Tree], *part: Tree) -> Tree:
        return vmap(function)(*part)

    def call(self, function: OfOneSeed, networks: Any, *inputs: Tree) -> Tree:
        def of_one(networks: Any, *inputs: Tree) -> Tree:
            return function(self.bind(*networks, Bound), *inputs)

        return self.each(of_one, networks, *inputs)

    def join(self, *results: Tensor) -> Tensor:
        (result,) = results
        return result


class Loop(SeedAxis):
    """A call for each seed. All that it works on begins at aligned addresses, so that no bit depends on the other seeds."""

    def stack(self, rows: Sequence[Tensor]) -> Tensor:
        shape, size, aligned = rows[0].shape, rows[0].numel(), ALIGNMENT // rows[0].element_size()
        memory = rows[0].new_empty(len(rows), math.ceil(size / aligned) * aligned)
        return memory[:, :size].view(-1, *shape).copy_(torch.stack(list(rows)))

    def parts(self, stacked: Tree) -> list[Tree]:
        return [tree_map(lambda x, i=i: x[i], stacked) for i in range(self.count)]

    def inputs(self, stacked: Tree) -> list[Tree]:
        return tree_map(lambda x: x if x.data_ptr() % ALIGNMENT == 0 else x.clone(), self.parts(stacked))

    def networks(self, params: list[Parameters], slow: list[Parameters]) -> list[Any]:
        return [self.bind(*both, holding) for both in zip(params, slow, strict=True)]

    def each(self, function: Callable[..., Tree], *part: Tree) -> Tree:
        return function(*part)

    def call(self, function: OfOneSeed, networks: Any, *inputs: Tree) -> Tree:
        return function(networks, *inputs)

    def join(self, *results: Tensor) -> Tensor:
        return torch.stack(results) if len(results) > 1 else results[0][None]  # a view: a kernel less for each scalar
