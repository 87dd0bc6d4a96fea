"""The learner: what updates the networks of an algorithm, for many seeds at once.

It alone knows optimisers, slow networks, compilation and the device. `params` and `slow` hold every seed's parameters stacked,
as checkpoints do; `trained` and `_trailing` are the same memory in the parts that one call works on (`seeds.py`).
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from algos.base import Algorithm, Batch, Info, Nets, Phase
from algos.learner.actor import Actor
from algos.learner.binding import Parameters, bind, holding, trainable
from algos.learner.graph import Graph
from algos.learner.seeds import Loop, Vmap
from algos.learner.standardize import STANDARDIZE, Standardize, seen, seen_batch
from backbones.base import Backbone, normal

SAMPLES = 8  # noise vectors for each state of which `watch` looks at the actions


class Learner:
    """Runs `algorithm` on S seeds at once; seed i among others is seed i alone, on a CPU to the bit.

    With `graph`, on a GPU, an update is one launch. With `standardize` the rule's networks see observations through it.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        backbone: Backbone,
        obs_dim: int,
        action_dim: int,
        seeds: Sequence[int],
        device: str | torch.device = "cpu",
        compile: bool = False,
        graph: bool = False,
        standardize: Standardize | None = None,
    ):
        self.algorithm, self.backbone, self.device = algorithm, backbone, torch.device(device)
        self.drawing = backbone  # as far as its curriculum is
        self.seeds, self.chunk_dim = list(seeds), algorithm.horizon * action_dim
        self.policies = algorithm.policies(backbone)
        gpu = is_gpu(self.device)

        fresh = [self._initial(obs_dim, seed, standardize) for seed in self.seeds]
        self.modules = fresh[0]
        self.axis = (Vmap if gpu and len(self.seeds) > 1 else Loop)(len(self.seeds), partial(bind, self.policies, self.modules))
        self.params: Parameters = {
            name: {key: self.axis.stack([nets[name].state_dict()[key] for nets in fresh]) for key in module.state_dict()}
            for name, module in self.modules.items()
        }
        self.trained = [trainable(self.modules, part) for part in self.axis.parts(self.params)]
        self.slow: Parameters = {}
        self.generators = [Generator(self.device).manual_seed(seed) for seed in self.seeds]
        rate: Any = torch.tensor(algorithm.learning_rate, device=self.device) if gpu else algorithm.learning_rate
        leaves = [p for p in tree_leaves(self.trained) if p.requires_grad]
        self.optimizer = torch.optim.Adam(leaves, rate, fused=True, capturable=gpu)

        self._losses, self._watched = self.axis.map(self._loss), self.axis.map(self._watch)
        self._chosen = self.axis.map(lambda nets, obs, noise: algorithm.act(nets, seen(nets, obs), noise))
        if compile:
            self._losses = torch.compile(self._losses, dynamic=False)
        self.graph, self.updates = graph, 0
        self.begin("offline")

    def begin(self, phase: Phase) -> None:
        """Enter a phase; a network that gets a slow copy here for the first time is copied as it is now."""
        self.phase: Phase = phase
        self.rates = self.algorithm.slow_rates(phase)
        self.slow = {name: self.slow.get(name) or self._copy(name) for name in self.rates}
        self._trailing = self.axis.parts(self.slow)
        self._networks = self.axis.networks(self.trained, self._trailing)
        self._steps: dict[frozenset[str], Callable[..., Info]] = {}  # by the networks that wait
        self._act = Graph(self._choose, self.device) if self.graph else self._choose

    def set_progress(self, share: float) -> None:
        """Set the learning rate and the curriculum for this share of the offline phase, 0 to 1; online they stay where they
        ended."""
        self.drawing = self.backbone.at(share)
        self._set_rate(self.algorithm.learning_rate * (1 - share * (1 - self.algorithm.final_rate)))

    def draw(self) -> dict[str, Any]:
        """The random numbers of one update, each seed's from its own generator: tensors [S, ...]."""
        draws = [self.algorithm.draw(self.drawing, g, self.chunk_dim, self.phase) for g in self.generators]
        return tree_map(lambda *xs: torch.stack(xs), *draws)

    def update(self, batch: Batch, noise: dict[str, Any]) -> Info:
        """One gradient step of every seed on its own batch [S, B, ...]; returns scalars to record, [S] each, which hold until
        the next update."""
        waiting = frozenset(name for name, every in self.algorithm.delays().items() if self.updates % every)
        if waiting not in self._steps:
            step = partial(self._step, waiting)
            self._steps[waiting] = Graph(step, self.device) if self.graph else step
        info = self._steps[waiting](batch, noise)
        self.updates += 1
        return info

    def _step(self, waiting: frozenset[str], batch: Batch, noise: dict[str, Any]) -> Info:
        """Gradients, bounded if asked for; slow networks move toward the parameters from before the step, unless one waits;
        Adam's step, in which those waiting have no gradient. It reads nothing from the device, so a graph of it can be
        replayed."""
        losses, info = self._losses(self._networks, self.axis.inputs(batch), self.axis.inputs(noise))
        self.optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()  # the seeds share no parameter, so this is each seed's own gradient
        with torch.no_grad():
            for name, rate in () if waiting else self.rates.items():
                torch._foreach_lerp_(leaves_of(name, self._trailing), leaves_of(name, self.trained), rate)
            for name in waiting:  # momentum alone moves it on
                torch._foreach_zero_([p.grad for p in leaves_of(name, self.trained) if p.grad is not None])
        norm = {"grad_norm": self._clip()} if self.algorithm.max_grad_norm else {}
        self.optimizer.step()
        return {"loss": losses.detach(), **norm, **info}

    def _clip(self) -> Tensor:
        """Bounds each seed's gradient; its norm before, [S]."""
        gradients = [[p.grad for p in tree_leaves(part) if p.grad is not None] for part in self.trained]
        norms = [self.axis.each(partial(clip_, bound=self.algorithm.max_grad_norm), own) for own in gradients]
        return self.axis.join(*norms)

    def _loss(self, nets: Nets, batch: Batch, noise: dict[str, Any]) -> tuple[Tensor, Info]:
        """The rule's loss of one seed, in this phase."""
        return self.algorithm.loss(nets, seen_batch(nets, batch), noise, self.phase)

    def _watch(self, nets: Nets, obs: Tensor, noise: Tensor) -> Info:
        return self.algorithm.watch(nets, seen(nets, obs), noise)

    @torch.no_grad()
    def watch(self, obs: Tensor) -> Info:
        """What the policies do now in states [S, B, obs_dim] (`Algorithm.watch`), [S] each; the same noise at every call."""
        _, size = self.algorithm.noise_shape(self.backbone, self.chunk_dim)
        noise = normal(Generator(self.device).manual_seed(0), SAMPLES, size)
        noise = noise.expand(len(self.seeds), -1, -1)
        return self._watched(self._networks, self.axis.inputs(obs), self.axis.inputs(noise))

    @torch.no_grad()
    def act(self, obs: Tensor, noise: Tensor) -> Tensor:
        """The next chunks of all seeds in one call: obs [S, n, obs_dim] and noise [S, n, *noise_shape] to [S, n, a]. They hold
        until the next call."""
        return self._act(obs, noise)

    def _choose(self, obs: Tensor, noise: Tensor) -> Tensor:
        return self._chosen(self._networks, self.axis.inputs(obs), self.axis.inputs(noise))

    def actor(self, index: int) -> Actor:
        """The policy of one seed as it is at each call: its modules share the memory of the learner's parameters."""
        own = {name: {key: p[index] for key, p in values.items()} for name, values in self.params.items()}
        modules = {name: holding(self.modules[name], values) for name, values in own.items()}
        return Actor(self.algorithm, self.policies, modules, self.chunk_dim)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next update depends on, the phase included."""
        return {
            "phase": self.phase,
            "updates": self.updates,
            "params": self.params,
            "slow": self.slow,
            "moments": self.optimizer.state_dict()["state"],
            "rate": float(self.optimizer.param_groups[0]["lr"]),
            "generators": [g.get_state() for g in self.generators],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.begin(state["phase"])
        self.updates = state["updates"]
        for mine, saved in ((self.params, state["params"]), (self.slow, state["slow"])):
            for name, values in mine.items():
                for key, p in values.items():
                    p.copy_(saved[name][key])
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": deepcopy(state["moments"])})
        self._set_rate(state["rate"])
        for generator, saved in zip(self.generators, state["generators"], strict=True):
            generator.set_state(saved.cpu())

    def _initial(self, obs_dim: int, seed: int, standardize: Standardize | None) -> dict[str, nn.Module]:
        """One seed's fresh networks, on the device."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            modules = self.algorithm.networks(self.backbone, obs_dim, self.chunk_dim)
        modules |= {STANDARDIZE: deepcopy(standardize)} if standardize else {}
        return {name: module.to(self.device) for name, module in modules.items()}

    def _copy(self, name: str) -> dict[str, Tensor]:
        return {key: self.axis.stack(list(p)) for key, p in self.params[name].items()}

    def _set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = group["lr"].fill_(rate) if isinstance(group["lr"], Tensor) else rate


def clip_(gradients: list[Tensor], bound: float) -> Tensor:
    """Scales the gradients of one seed's networks, all alike, until their common norm is at most `bound`; the norm before."""
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
    for g in gradients:
        g.mul_((bound / norm).clamp_max(1))
    return norm


def is_gpu(device: torch.device) -> bool:
    return device.type != "cpu"


def leaves_of(name: str, parts: Sequence[Parameters]) -> list[Tensor]:
    """The parameters of one network in all parts, and its buffers of floats."""
    return [p for part in parts for p in part[name].values() if p.is_floating_point()]
