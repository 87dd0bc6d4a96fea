"""Drifting policies: one pass from noise to action, trained by moving samples along a drifting field.

Deng et al., "Generative Modeling via Drifting" (arXiv 2602.04770); Koo et al., "Drifting Field Policy" (arXiv 2605.07727). What
DriftQL (github.com/DT6A/driftql) does otherwise is an option: clipped goals, the Laplacian kernel, noise of another size.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Generator, Tensor, nn

from backbones.base import Backbone, Info, Network, Noise, normal, option, refuse_negative
from backbones.nets import MLP

Field = Literal["joint", "mean_shift"]
Kernel = Literal["gaussian", "laplacian"]


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances |x_i - y_j|: [B, G, a] and [B, M, a] to [B, G, M], kept above 1e-4."""
    return (x[:, :, None] - y[:, None]).square().sum(-1).clamp_min(1e-8).sqrt()


def joint_field(
    x: Tensor, positives: Tensor, temperatures: Sequence[float], negatives: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The drifting field with attraction and repulsion weighted jointly (arXiv 2602.04770, Algorithm 2).

    x [B, G, a] attract to positives [B, P, a]; repel each other and from negatives [B, C, a]. Returns the field [B, G, a] in
    units of `unit`, that unit (a scalar) and the force: mean F^2 before normalisation for each temperature [R].
    Distances are measured in their batch-wide mean, so a temperature has no unit.
    """
    repelling = x if negatives is None else torch.cat([x, negatives], 1)
    targets = torch.cat([repelling, positives], 1)
    d = distances(x, targets)
    scale = d.mean()
    unit = (scale / math.sqrt(x.shape[-1])).clamp_min(1e-3)
    samples, others = x.shape[1], positives.shape[1] + repelling.shape[1] - x.shape[1]
    itself = nn.functional.pad(torch.eye(samples, device=x.device, dtype=x.dtype), (0, others))
    d = d / scale.clamp_min(1e-3) + 100 * itself  # a sample does not repel itself
    centred = targets - x.mean(1, keepdim=True)  # else a GPU's TF32 rounds away in what close samples differ

    field, forces = torch.zeros_like(x), []
    for temperature in temperatures:
        logits = -d / temperature
        weight = (logits.softmax(2) * logits.softmax(1)).clamp_min(1e-6).sqrt()
        repel, attract = weight.split([repelling.shape[1], positives.shape[1]], 2)
        c = torch.cat([-repel * attract.sum(2, keepdim=True), attract * repel.sum(2, keepdim=True)], 2)
        f = c @ centred / unit  # sum_j c_ij (y_j - x_i), as a sample's weights sum to 0
        forces.append(f.square().mean())
        field = field + f / forces[-1].clamp_min(1e-8).sqrt()
    return field, unit, torch.stack(forces)


def mean_shift(x: Tensor, y: Tensor, bandwidth: float, kernel: Kernel = "gaussian", exclude_self: bool = False) -> Tensor:
    """Kernel mean shift: sum_j k(x_i, y_j) (y_j - x_i) / sum_j k(x_i, y_j), [B, G, a] (arXiv 2605.07727, Eq. 3).

    `kernel` is "gaussian", exp(-d^2 / 2h^2), or "laplacian", exp(-d / h). `exclude_self` drops the terms j = i (y is x).
    """
    d = distances(x, y)
    logits = -d.square() / (2 * bandwidth**2) if kernel == "gaussian" else -d / bandwidth
    if exclude_self:
        logits = logits - 1e9 * torch.eye(x.shape[1], device=x.device, dtype=x.dtype)
    centre = x.mean(1, keepdim=True)  # for TF32, as above
    return logits.softmax(2) @ (y - centre) - (x - centre)


def mean_shift_field(
    x: Tensor, positives: Tensor, bandwidths: Sequence[float], kernel: Kernel = "gaussian", exclude_self: bool = False
) -> Tensor:
    """V = V+ - V-: attraction to the positives less attraction to the samples themselves, summed over bandwidths (Eq. 3)."""
    fields = [mean_shift(x, positives, h, kernel) - mean_shift(x, x, h, kernel, exclude_self) for h in bandwidths]
    return torch.stack(fields).sum(0)


@dataclass(frozen=True)
class Drifting(Backbone):
    """a = f(s, noise); the samples regress onto themselves moved along the field, L = |x - sg(x + V)|^2 (Eq. 4)."""

    temperatures: tuple[float, ...] = option((0.05,), "kernel bandwidths h; the fields of several are added")
    num_generated: int = option(8, "N_gen: samples a state that attract to positives and repel each other")
    field: Field = option("joint", "joint: as the published runs; mean_shift: Eq. (3) as printed")
    exclude_self: bool = option(False, "mean_shift only: a sample does not count in its own repulsion")
    kernel: Kernel = option("gaussian", "mean_shift only: gaussian, exp(-d^2 / 2h^2), or laplacian, exp(-d / h)", later=True)
    unit_field: bool = option(False, "mean_shift only: divide a state's field by its root mean square", later=True)
    clip_goals: bool = option(False, "clip what the samples regress onto to [-1, 1]", later=True)
    noise_dim: int = option(0, "numbers of a noise vector; 0: as many as the action has", later=True)
    output_gain: float = option(1.0, "widens the initial output layer; 4 keeps modes apart at low temperature")

    def __post_init__(self) -> None:
        for name, known in ("field", Field), ("kernel", Kernel):
            if getattr(self, name) not in get_args(known):
                raise ValueError(f"backbone.{name} '{getattr(self, name)}': there are {', '.join(get_args(known))}")
        for name in ("exclude_self", "kernel", "unit_field"):
            if self.field == "joint" and getattr(self, name) != getattr(Drifting, name):
                raise ValueError(f"backbone.{name} {getattr(self, name)}: the joint field has no such choice, mean_shift has")
        refuse_negative(self, "backbone.noise_dim")
        if not self.temperatures or min(self.temperatures) <= 0:
            raise ValueError(f"backbone.temperatures {self.temperatures}: every temperature must be > 0")
        if self.num_generated < 2:
            raise ValueError(f"backbone.num_generated {self.num_generated}: repulsion needs at least 2 samples")
        if self.output_gain <= 0:
            raise ValueError(f"backbone.output_gain {self.output_gain}: must be above 0")

    def network(self, obs_dim: int, action_dim: int) -> nn.Module:
        return MLP(obs_dim + self.noise_size(action_dim), action_dim, self.width, self.depth, False, self.output_gain)

    def noise_size(self, action_dim: int) -> int:
        return self.noise_dim or action_dim

    def draw(self, generator: Generator, batch: int, positives: int, action_dim: int) -> Noise:
        return {"generated": normal(generator, batch, self.num_generated, self.noise_size(action_dim))}

    def losses(self, net: Network, obs: Tensor, sets: Mapping[str, Tensor], noise: Noise) -> tuple[dict[str, Tensor], Info]:
        """The drift loss of each set; all sets share the generated samples (arXiv 2605.07727, Eqs. 16, 18)."""
        x = self.sample(net, obs[:, None], noise["generated"])
        losses, info = {}, {}
        for name, positives in sets.items():
            losses[name], info[f"drift_scale_{name}"], info[f"drift_force_{name}"] = self.drift_loss(x, positives)
        return losses, info

    def drift_loss(self, x: Tensor, positives: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """L_drift(theta; positives, pi_theta) of one set [B], with the field's length scale and force (scalars).

        The joint field is normalised to unit mean square and lengths are divided by the batch's scale, so with one
        temperature the value is always 1: watch the scale and the force instead.
        """
        with torch.no_grad():
            if self.field == "joint":
                drift, unit, force = joint_field(x, positives, self.temperatures)
            else:
                drift = mean_shift_field(x, positives, self.temperatures, self.kernel, self.exclude_self)
                unit, force = x.new_ones(()), drift.square().mean()
                if self.unit_field:
                    drift = drift / drift.square().mean((1, 2), keepdim=True).clamp_min(1e-8).sqrt()
            goal = x / unit + drift
            if self.clip_goals:
                goal = (goal * unit).clamp(-1, 1) / unit
        return (x / unit - goal).square().mean((1, 2)), unit * math.sqrt(x.shape[-1]), force.mean()

    def sample(self, net: Network, obs: Tensor, noise: Tensor) -> Tensor:
        return net(obs, noise).clamp(-1, 1)
