"""What every backbone is: a family of generative policies pi(.|s), and how to find one by its file's name.

Shapes, here and in every file of this folder: B states; a = horizon * action_dim, one flattened action chunk;
P positives a state; G generated samples a state. Noise is always an argument, so every function is deterministic.
"""

import difflib
import importlib
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

Network = Callable[..., Tensor]  # a module with its parameters bound
Noise = dict[str, Tensor]
Info = dict[str, Tensor]  # scalars worth recording


def option(default: Any, text: str, later: bool = False) -> Any:
    """A field of a configuration, with the sentence that `--help` shows for it. One that came `later` is missing in older
    files, whose runs were as with its default."""
    return field(default=default, metadata={"help": text, "later": later})


def refuse_negative(part: Any, *names: str) -> None:
    """ValueError for the first of a part's options that is below 0; they go by the command line's names, `algo.data_weight`."""
    for name in names:
        if (value := getattr(part, name.rpartition(".")[2])) < 0:
            raise ValueError(f"{name} {value}: must not be negative")


def normal(generator: Generator, *shape: int) -> Tensor:
    """Standard normal noise from one seed's generator, on its device."""
    return torch.randn(shape, generator=generator, device=generator.device)


def uniform(generator: Generator, *shape: int) -> Tensor:
    """Noise uniform in [0, 1) from one seed's generator, on its device."""
    return torch.rand(shape, generator=generator, device=generator.device)


@dataclass(frozen=True)
class Backbone(ABC):
    """Pulls pi(.|s) toward sets of target actions; says how its noise is drawn and how an action is generated."""

    unimodal: ClassVar[bool] = False  # pi(.|s) has one mode by construction; the contract tests ask
    deterministic: ClassVar[bool] = False  # pi(.|s) is one action; rules that choose among samples refuse it

    width: int = option(512, "units of each hidden layer of the policy network")
    depth: int = option(4, "hidden layers of the policy network")

    @abstractmethod
    def network(self, obs_dim: int, action_dim: int) -> nn.Module:
        """The module to train; `action_dim` is a, the size of one flattened chunk."""

    def noise_size(self, action_dim: int) -> int:
        """Numbers of a noise vector of `sample`; by default as many as the action has."""
        return action_dim

    def at(self, share: float) -> "Backbone":
        """The backbone as it draws at this share of the offline phase, 0 to 1: others than itself where it has a curriculum."""
        return self

    def draw(self, generator: Generator, batch: int, positives: int, action_dim: int) -> Noise:
        """The random numbers that `losses` needs for `batch` states with `positives` target actions in all; by default none."""
        return {}

    @abstractmethod
    def losses(self, net: Network, obs: Tensor, sets: Mapping[str, Tensor], noise: Noise) -> tuple[dict[str, Tensor], Info]:
        """One loss per state for each set of positives, by the set's name, and scalars worth recording.

        obs [B, obs_dim]; each set [B, P, a] in [-1, 1]; every loss [B]. All sets share the generated samples or the network
        calls where the family allows it, which is why they come together; noise drawn for each positive is in their order. A
        scalar of one set ends in the set's name.
        """

    @abstractmethod
    def sample(self, net: Network, obs: Tensor, noise: Tensor) -> Tensor:
        """Actions in [-1, 1]: obs [..., obs_dim] and standard normal noise [..., noise_size] to [..., a], leading axes
        broadcast."""


class PerPositive(Backbone):
    """A family whose loss is an error at each positive by itself; the loss of a set is the mean of its errors."""

    @abstractmethod
    def errors(self, net: Network, obs: Tensor, positives: Tensor, noise: Noise) -> tuple[Tensor, Info]:
        """The error at each positive [B, P], and scalars worth recording. obs [B, 1, obs_dim]; positives [B, P, a] are those of
        all sets, one after the other."""

    def losses(self, net: Network, obs: Tensor, sets: Mapping[str, Tensor], noise: Noise) -> tuple[dict[str, Tensor], Info]:
        errors, info = self.errors(net, obs[:, None], torch.cat(list(sets.values()), 1), noise)
        parts = errors.split([positives.shape[1] for positives in sets.values()], 1)
        return {name: part.mean(1) for name, part in zip(sets, parts, strict=True)}, info


def find(folder: str, kind: type, name: str) -> type:
    """The subclass of `kind` that the file `<folder>/<name>.py` defines. Raises ValueError for an unknown name."""
    known = names(folder, kind)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
        raise ValueError(f"unknown {kind.__name__.lower()} '{name}'; {hint}")
    return _defined_in(folder, name, kind)[0]


def names(folder: str, kind: type) -> list[str]:
    """Every name that `find` accepts: the files of the folder that define a `kind`."""
    path = importlib.import_module(folder).__path__
    return sorted(m.name for m in pkgutil.iter_modules(path) if _defined_in(folder, m.name, kind))


def _defined_in(folder: str, name: str, kind: type) -> list[type]:
    module = importlib.import_module(f"{folder}.{name}")
    own = (value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__)
    return [cls for cls in own if issubclass(cls, kind) and not inspect.isabstract(cls)]
