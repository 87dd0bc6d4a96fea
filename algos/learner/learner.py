"""The learner: many seeds of one algorithm, their parameters stacked on a leading axis that no loss mentions.

It alone knows optimisers, slow networks, compilation and the device. S seeds; in `params` and `slow` every tensor is [S, ...].
A block is what one call of the loss computes: on a GPU all seeds (`vmap`), on a CPU, where vmap was slower, each seed alone.
`trained` and `_trailing` are `params` and `slow` by block, in the same memory.
"""

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Generator, Tensor, nn
from torch.func import vmap
from torch.utils._pytree import tree_leaves, tree_map

from algos.base import Algorithm, Batch, Nets, Phase
from algos.learner.binding import Binding, Parameters, bind, by_name, functional, holding
from algos.learner.graph import Graph
from backbones.base import Backbone, normal

ALIGNMENT = 64  # bytes; matrix products and optimisers round differently at other addresses
SAMPLES = 8  # noise vectors for each state of which `watch` looks at the actions


class Learner:
    """Runs `algorithm` on S seeds at once; seed i among others is seed i alone.

    One update: all seeds' losses and gradients; slow networks move toward the parameters from before the step; one Adam step.
    With `graph`, on a GPU, an update is one launch. On a CPU a seed's bits do not depend on the others.
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
    ):
        self.algorithm, self.backbone, self.device = algorithm, backbone, torch.device(device)
        self.seeds, self.chunk_dim = list(seeds), algorithm.horizon * action_dim
        fresh = [self._initial(obs_dim, seed) for seed in self.seeds]
        self.modules = fresh[0]
        self.params: Parameters = {
            name: {key: self._stack([nets[name].state_dict()[key] for nets in fresh]) for key in module.state_dict()}
            for name, module in self.modules.items()
        }
        self.slow: Parameters = {}
        self.trained = [self._trainable(block) for block in self._blocks(self.params)]
        self.generators = [Generator(self.device).manual_seed(seed) for seed in self.seeds]
        self.graph = graph
        self._steps: dict[frozenset[str], Callable[..., dict[str, Tensor]]] = {}  # by the networks that wait
        gpu = is_gpu(self.device)
        rate: Any = torch.tensor(algorithm.learning_rate, device=self.device) if gpu else algorithm.learning_rate
        self.optimizer = torch.optim.Adam(
            [p for p in tree_leaves(self.trained) if p.requires_grad], rate, fused=True, capturable=gpu
        )
        self._losses, self._watched = self._over_blocks(self._loss_of_one_seed), self._over_blocks(self._watch_one_seed)
        if compile:
            self._losses = torch.compile(self._losses)
        self.updates = 0
        self.begin("offline")

    def begin(self, phase: Phase) -> None:
        """Enter a phase; a network that gets a slow copy here for the first time is copied as it is now."""
        self.phase: Phase = phase
        self._steps = {}
        self.rates = self.algorithm.slow_rates(phase)
        self.slow = {
            name: self.slow.get(name) or {key: self._stack(list(p)) for key, p in self.params[name].items()}
            for name in self.rates
        }
        self._trailing = self._blocks(self.slow)
        # What a block's call takes: parameters and slow ones, which vmap binds, or networks that hold one seed's.
        pairs = zip(self.trained, self._trailing, strict=True)
        self._networks = list(pairs) if is_gpu(self.device) else [self._bind(*pair, network=holding) for pair in pairs]

    def set_progress(self, share: float) -> None:
        """Set the learning rate for this share of the offline phase, 0 to 1; online it stays where it ended."""
        self._set_rate(self.algorithm.learning_rate * (1 - share * (1 - self.algorithm.final_rate)))

    def draw(self) -> dict[str, Any]:
        """The random numbers of one update, each seed's from its own generator: tensors [S, ...]."""
        draws = [self.algorithm.draw(self.backbone, g, self.chunk_dim, self.phase) for g in self.generators]
        return tree_map(lambda *xs: torch.stack(xs), *draws)

    def update(self, batch: Batch, noise: dict[str, Any]) -> dict[str, Tensor]:
        """One gradient step of every seed on its own batch [S, B, ...]; returns scalars to record, [S] each, which hold until
        the next update."""
        waiting = frozenset(name for name, every in self.algorithm.delays().items() if self.updates % every)
        if waiting not in self._steps:
            step = partial(self._step, waiting)
            self._steps[waiting] = Graph(step) if self.graph else step
        info = self._steps[waiting](batch, noise)
        self.updates += 1
        return info

    @torch.no_grad()
    def watch(self, obs: Tensor) -> dict[str, Tensor]:
        """What the policies generate now in states [S, B, obs_dim], none chosen by value, [S] each: how far a state's actions
        lie apart (RMS distance to their mean, per dimension), the share of clipped dimensions, and the critic's value."""
        noise = normal(Generator(self.device).manual_seed(0), SAMPLES, self.chunk_dim).expand(len(self.seeds), -1, -1)
        return self._watched(self._networks, self._inputs(obs), self._inputs(noise))

    def actor(self, index: int) -> "Actor":
        """The policy of one seed as it is at each call: its modules share the memory of the learner's parameters."""
        own = {name: {key: p[index] for key, p in net.items()} for name, net in self.params.items()}
        modules = {name: holding(self.modules[name], values) for name, values in own.items()}
        return Actor(self.algorithm, self.backbone, modules, self.chunk_dim)

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
            for name, net in mine.items():
                for key, p in net.items():
                    p.copy_(saved[name][key])
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": deepcopy(state["moments"])})
        self._set_rate(state["rate"])
        for generator, saved in zip(self.generators, state["generators"], strict=True):
            generator.set_state(saved.cpu())

    def _step(self, waiting: frozenset[str], batch: Batch, noise: dict[str, Any]) -> dict[str, Tensor]:
        """An update of all networks but those waiting. It reads nothing from the device: a graph of it can be replayed."""
        losses, info = self._losses(self._networks, self._inputs(batch), self._inputs(noise))
        self.optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()  # the seeds share no parameter, so this is each seed's own gradient
        with torch.no_grad():
            for name, rate in self.rates.items():
                torch._foreach_lerp_(leaves_of(name, self._trailing), leaves_of(name, self.trained), rate)
        for name in waiting:
            for p in leaves_of(name, self.trained):
                p.grad = None  # Adam passes it over
        self.optimizer.step()
        return {"loss": losses.detach(), **info}

    def _set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = group["lr"].fill_(rate) if isinstance(group["lr"], Tensor) else rate

    def _initial(self, obs_dim: int, seed: int) -> dict[str, nn.Module]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.algorithm.networks(self.backbone, obs_dim, self.chunk_dim)

    def _stack(self, rows: Sequence[Tensor]) -> Tensor:
        """[S, ...] on the device; on a CPU every seed's row begins at an aligned address."""
        if is_gpu(self.device):
            return torch.stack(list(rows)).to(self.device)
        shape, step = rows[0].shape, ALIGNMENT // rows[0].element_size()
        memory = torch.empty(len(rows), math.ceil(rows[0].numel() / step) * step, dtype=rows[0].dtype)
        return memory[:, : rows[0].numel()].view(-1, *shape).copy_(torch.stack(list(rows)))

    def _blocks(self, stacked: Any) -> list[Any]:
        """A tree of tensors [S, ...] as one tree for each block, in the same memory."""
        if is_gpu(self.device):
            return [stacked]
        return [tree_map(lambda x, i=i: x[i], stacked) for i in range(len(self.seeds))]

    def _inputs(self, stacked: Any) -> list[Any]:
        """The same for a batch or noise, in memory of their own where that is not aligned."""
        return tree_map(lambda x: x if x.data_ptr() % ALIGNMENT == 0 else x.clone(), self._blocks(stacked))

    def _trainable(self, block: Parameters) -> Parameters:
        """The block with what its networks train as parameters; their buffers stay tensors."""
        trained = {name: {key for key, p in net.named_parameters() if p.requires_grad} for name, net in self.modules.items()}
        return {
            name: {key: nn.Parameter(x) if key in trained[name] else x for key, x in net.items()} for name, net in block.items()
        }

    def _over_blocks(self, of_one_seed: Callable[..., Any]) -> Callable[..., Any]:
        """A function of one seed's networks and inputs, as one of lists with an entry a block; what it returns is [S]."""

        def of_bound(networks: tuple[Parameters, Parameters], *inputs: Any) -> Any:
            return of_one_seed(self._bind(*networks), *inputs)

        of_block = vmap(of_bound) if is_gpu(self.device) else of_one_seed

        def mapped(*blocks: Sequence[Any]) -> Any:
            results = [of_block(*arguments) for arguments in zip(*blocks, strict=True)]
            return tree_map(lambda *xs: torch.stack(xs).flatten(), *results)

        return mapped

    def _bind(self, params: Parameters, slow: Parameters, network: Binding = functional) -> Nets:
        return bind(self.backbone, self.modules, params, slow, network)

    def _loss_of_one_seed(self, nets: Nets, batch: Batch, noise: Any) -> Any:
        return self.algorithm.loss(nets, batch, noise, self.phase)

    def _watch_one_seed(self, nets: Nets, obs: Tensor, noise: Tensor) -> dict[str, Tensor]:
        actions = self.algorithm.generate(nets, obs[:, None], noise)
        spread = (actions - actions.mean(1, keepdim=True)).square().mean().sqrt()
        info = {"actor_spread": spread, "actor_clipped": (actions.abs() >= 1).float().mean()}
        value = {"q_generated": nets.critic(obs[:, None], actions).mean()} if "critic" in self.modules else {}
        return info | value | self.algorithm.watch(nets, obs, noise)


class Actor:
    """One seed's policy, as evaluation and data collection call it."""

    def __init__(self, algorithm: Algorithm, backbone: Backbone, modules: dict[str, nn.Module], chunk_dim: int):
        self.algorithm, self.backbone, self.modules, self.chunk_dim = algorithm, backbone, modules, chunk_dim
        self.device = next(p.device for module in modules.values() for p in module.parameters())

    @torch.no_grad()
    def __call__(self, obs: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        """The next chunk of actions for each observation: [n, obs_dim] to [n, H, action_dim], row i's noise from `rngs[i]`."""
        shape = self.algorithm.candidates(), self.chunk_dim
        noise = np.stack([rng.standard_normal(shape, dtype=np.float32) for rng in rngs])
        nets = by_name(self.backbone, self.modules)
        chunks = self.algorithm.act(nets, torch.from_numpy(obs).to(self.device), torch.from_numpy(noise).to(self.device))
        return rearrange(chunks, "n (h d) -> n h d", h=self.algorithm.horizon).cpu().numpy()

    def snapshot(self) -> "Actor":
        """A copy on the CPU that later updates do not change; it can be sent to another process."""
        own = {name: deepcopy(module).to("cpu") for name, module in self.modules.items()}
        return Actor(self.algorithm, self.backbone, own, self.chunk_dim)


def is_gpu(device: torch.device) -> bool:
    return device.type != "cpu"


def leaves_of(name: str, blocks: Sequence[Parameters]) -> list[Tensor]:
    """The parameters of one network in all blocks, and its buffers of floats."""
    return [p for block in blocks for p in block[name].values() if p.is_floating_point()]
