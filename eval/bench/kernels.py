"""What an update launches: its kernels, their floating-point operations, and the bytes that they read and write."""

import math
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry


class Kernels(TorchDispatchMode):
    """Counts torch's operations below autograd and vmap, each about one kernel: all but views and fresh memory.

    `operations` are those of the matrix products that torch has a formula for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count, self.bytes, self.operations = 0, 0, 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = operation(*args, **(kwargs or {}))
        if formula := flop_registry.get(operation.overloadpacket):
            self.operations += formula(*args, **(kwargs or {}), out_val=results)
        read, written = tensors((args, kwargs)), tensors(results)
        if operation._schema.is_mutable:
            written = changed(operation, args, kwargs)
        elif {memory_of(x) for x in written} <= {memory_of(x) for x in read} or is_allocation(operation):
            return results
        self.count += 1
        self.bytes += sum(map(size, [*read, *written]))
        return results


def is_allocation(operation: Any) -> bool:
    return operation.overloadpacket.__name__.removeprefix("new_").startswith("empty")


def tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def memory_of(x: Tensor) -> int:
    return x.untyped_storage()._cdata


def size(x: Tensor) -> int:
    """Bytes; what is expanded is read once."""
    return x.element_size() * math.prod(n for n, stride in zip(x.shape, x.stride(), strict=True) if stride)


def changed(operation: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """The arguments that an operation writes to."""
    arguments = operation._schema.arguments
    values = dict(zip((a.name for a in arguments), args, strict=False)) | (kwargs or {})
    return tensors([values.get(a.name) for a in arguments if a.alias_info is not None and a.alias_info.is_write])
