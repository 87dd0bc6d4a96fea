"""Q-learning with adjoint matching (Li & Levine, QAM, arXiv 2601.14234).

    a flow clones the data; a second one is tuned toward behaviour(a|s) exp(kappa Q(s, a)), step by step and without a gradient
    through its sampler; the second one acts.

With a one-step student of the second flow this is QAM-F, with an edit policy on top of it QAM-E. Adjoint matching is that of
Domingo-Enrich et al. (arXiv 2409.08861). Time runs from the noise (t = 0) to the action (t = 1) in T steps of h = 1 / T.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.func import grad, vjp

from algos.base import Batch, Info, Nets, Phase
from algos.editing import Editing
from algos.fql import imitate
from backbones.base import Backbone, normal, option, refuse_negative
from backbones.flow import Flow, VectorField
from backbones.nets import MLP


def sigma(t: Tensor, h: float) -> Tensor:
    """The memoryless noise schedule: sigma_t^2 = 2 (1 - t + h) / (t + h). With it x_0 and x_1 are independent."""
    return (2 * (1 - t + h) / (t + h)).sqrt()


def memoryless_path(tuned: VectorField, behaviour: VectorField, start: Tensor, steps: Tensor) -> Tensor:
    """x_0 = start, x_{t+h} = x_t + h (2 w(x_t, t) - x_t / (t + h)) + sqrt(h) sigma_t noise; the last step, to x_1, is the
    behaviour's own, without noise.

    start [..., a], the noise of the other steps [T - 1, ..., a]; returns [T + 1, ..., a].
    """
    path, h = [start], 1 / (len(steps) + 1)
    for i, noise in enumerate(steps):
        x, t = path[-1], torch.full_like(start[..., :1], i * h)
        path.append(x + h * (2 * tuned(x, t) - x / (t + h)) + h**0.5 * sigma(t, h) * noise)
    last = torch.full_like(start[..., :1], len(steps) * h)
    return torch.stack([*path, path[-1] + h * behaviour(path[-1], last)])


def lean_adjoint(behaviour: VectorField, path: Tensor, end: Tensor) -> Tensor:
    """g_1 = end, g_t = g_{t+h} + h J_t^T g_{t+h}, J_t the Jacobian of 2 v(x, t + h) - x / (t + h) at x_t.

    path [T + 1, ..., a], end [..., a]; returns g_0 to g_{1-h}, [T, ..., a].
    """
    adjoints, count = [end], len(path) - 1
    for i in reversed(range(count)):
        t = torch.full_like(end[..., :1], (i + 1) / count)
        pull_back = vjp(lambda x, t=t: 2 * behaviour(x, t) - x / t, path[i])[1]
        adjoints.append(adjoints[-1] + pull_back(adjoints[-1])[0] / count)
    return torch.stack(adjoints[:0:-1])


@dataclass(frozen=True)
class QAM(Editing):
    """L = L_BC(v) + sum over steps of |2 (w - v_slow) / sigma_t + sigma_t g_t|^2, at the points x_t of a path of w.

    v is the behaviour's field, w the tuned one, g the adjoint of -kappa Q_slow(x_1) along v_slow. At the optimum w exceeds v by
    -sigma_t^2 g_t / 2. Q is not normalised, so kappa depends on the rewards' scale.
    """

    inverse_temperature: float = option(1.0, "kappa: how much Q counts against the behaviour; 0 is cloning")
    distill_weight: float = option(
        0.0, "alpha: weight of the distance of a one-step student to the tuned policy; it then acts. 0: no student"
    )
    max_grad_norm: float = option(1.0, "bound of the gradient's norm, over all networks of a seed together; 0: none")

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_negative(self, "algo.inverse_temperature", "algo.distill_weight")

    def misfit(self, backbone: Backbone) -> str:
        return "" if isinstance(backbone, Flow) else "it tunes the velocity that a sampler follows; take the backbone flow"

    def policies(self, backbone: Backbone) -> dict[str, Backbone]:
        return super().policies(backbone) | {"tuned": backbone}

    def networks(self, backbone: Backbone, obs_dim: int, action_dim: int) -> dict[str, nn.Module]:
        networks = super().networks(backbone, obs_dim, action_dim) | {"tuned": backbone.network(obs_dim, action_dim)}
        if self.distill_weight:
            networks["student"] = MLP(obs_dim + action_dim, action_dim, backbone.width, backbone.depth, layer_norm=False)
        return networks

    def slow_rates(self, phase: Phase) -> dict[str, float]:
        return super().slow_rates(phase) | {"actor": self.target_rate}

    def draw_base(self, backbone: Any, generator: Generator, action_dim: int) -> dict[str, Any]:
        b = self.batch_size
        noise = {
            "fit": backbone.draw(generator, b, 1, action_dim),
            "start": normal(generator, b, action_dim),
            "steps": normal(generator, backbone.flow_steps - 1, b, action_dim),
        }
        return noise | ({"distill": normal(generator, b, action_dim)} if self.distill_weight else {})

    def base_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any]) -> tuple[Tensor, Info]:
        bc, info = nets.actor.clone(batch.obs, batch.action, noise["fit"])
        matching, adjoint = self.matching_loss(nets, batch.obs, noise["start"], noise["steps"])
        loss = bc.mean() + matching.mean()
        info = info | {"bc_loss": bc.detach().mean(), "matching_loss": matching.detach().mean(), "adjoint": adjoint}
        if not self.distill_weight:
            return loss, info
        distill, q = imitate(nets, nets.tuned, batch.obs, noise["distill"])
        return loss + self.distill_weight * distill - q.mean(), info | {"distill_loss": distill.detach()}

    def matching_loss(self, nets: Nets, obs: Tensor, start: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """The adjoint matching loss of each state, summed over steps and dimensions [B], and the mean size of the adjoint."""
        tuned, behaviour = (partial(policy.velocity, obs) for policy in (nets.tuned, nets.slow.actor))
        with torch.no_grad():
            path = memoryless_path(tuned, behaviour, start, steps)
            adjoint = lean_adjoint(behaviour, path, -self.inverse_temperature * self.value_gradient(nets, obs, path[-1]))
            x, h = path[:-1], 1 / len(adjoint)
            t = (h * torch.arange(len(adjoint), device=x.device))[:, None, None]
            cloned = behaviour(x, t)
        gap = 2 * (tuned(x, t) - cloned) / sigma(t, h) + sigma(t, h) * adjoint
        return gap.square().sum((0, 2)), adjoint.abs().mean()

    def value_gradient(self, nets: Nets, obs: Tensor, action: Tensor) -> Tensor:
        """dQ_slow/da of the critics' mean at clip(a), which is 0 in a dimension that is clipped: [B, a]."""
        return grad(lambda a: nets.slow.critic(obs, a.clamp(-1, 1)).mean(0).sum())(action)

    def base(self, nets: Nets, obs: Tensor, noise: Tensor) -> Tensor:
        return nets.student(obs, noise).clamp(-1, 1) if self.distill_weight else nets.tuned.sample(obs, noise)
