"""CUDA graphs: the kernels of a function, recorded once and from then on launched together."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

WARM_UP = 3  # calls launched kernel by kernel, in which optimisers, compilers and libraries allocate what they keep


class Graph:
    """`function` of trees of tensors on one GPU. After `WARM_UP` calls its kernels are recorded; every later call replays them.

    What is recorded is which kernels run on which memory: shapes, numbers held by the host and the tensors that `function`
    reads or changes elsewhere are as they were then. What a call returns holds until the next.
    """

    def __init__(self, function: Callable[..., Any], device: torch.device):
        self.function, self.device, self.calls = function, device, 0
        self.side = torch.cuda.Stream(device)
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, *inputs: Any) -> Any:
        self._take(*tree_flatten(inputs))
        self.calls += 1
        if self.calls <= WARM_UP:
            return self._warm_up()
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.device(self.device), torch.cuda.graph(self.graph, stream=self.side):
                self.outputs = self.function(*self.inputs)
        self.graph.replay()
        return self.outputs

    def _take(self, leaves: list[Tensor], structure: TreeSpec) -> None:
        """Copies the inputs to where every call reads them, from the first on: a compiler must meet nothing new while kernels
        are recorded, not even two inputs that were one tensor until then."""
        if not self.calls:
            self.leaves = [leaf.clone() for leaf in leaves]
            self.inputs = tree_unflatten(self.leaves, structure)
        else:
            torch._foreach_copy_(self.leaves, leaves)

    def _warm_up(self) -> Any:
        """On the stream on which will be recorded: autograd remembers the one on which it saw a parameter first."""
        current = torch.cuda.current_stream(self.device)
        self.side.wait_stream(current)
        with torch.cuda.stream(self.side):
            outputs = self.function(*self.inputs)
        current.wait_stream(self.side)
        return outputs
