"""A rule that the suite does not have, in a few lines: what the contract has to carry.

`Steered` has two velocity fields, of any family that has one, and takes a gradient of Q back through one of them.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.func import grad, vjp
from torch.utils._pytree import tree_map

from algos.base import ActorCritic, Batch, Info, Nets, Phase
from algos.bc import BC
from algos.edit import Edit
from algos.learner import Learner
from algos.learner.binding import bind
from backbones.abilities import Velocity
from backbones.base import Backbone, normal
from backbones.drifting import Drifting
from backbones.flow import Flow
from backbones.gaussian import Gaussian
from backbones.meanflow import MeanFlow
from backbones.shortcut import Shortcut

CRITIC = {"horizon": 2, "batch_size": 5, "critic_width": 9, "critic_depth": 2, "learning_rate": 1e-2}


@dataclass(frozen=True)
class Steered(ActorCritic):
    """L = L_BC(v) + |w - sg(v_slow + J^T dQ/dx)|^2 at (x, t): the second field w is the first one's, steered up Q."""

    needs: ClassVar[type] = Velocity

    def policies(self, backbone: Backbone) -> dict[str, Backbone]:
        return {"actor": backbone, "steered": backbone}

    def networks(self, backbone: Backbone, obs_dim: int, action_dim: int) -> dict[str, nn.Module]:
        return super().networks(backbone, obs_dim, action_dim) | {"steered": backbone.network(obs_dim, action_dim)}

    def slow_rates(self, phase: Phase) -> dict[str, float]:
        return super().slow_rates(phase) | {"actor": self.target_rate}

    def draw_actor(self, backbone: Backbone, generator: Generator, action_dim: int, phase: Phase) -> dict[str, Any]:
        b = self.batch_size
        return {"fit": backbone.draw(generator, b, 1, action_dim), "x": normal(generator, b, action_dim)}

    def actor_loss(self, nets: Nets, batch: Batch, noise: dict[str, Any], phase: Phase) -> tuple[Tensor, Info]:
        bc, info = nets.actor.clone(batch.obs, batch.action, noise["fit"])
        x, t = noise["x"], torch.full_like(noise["x"][:, :1], 0.5)
        velocity, adjoint = self.adjoint(nets, batch.obs, x, t)
        steered = nets.steered.velocity(batch.obs, x, t)
        return bc.mean() + (steered - velocity - adjoint).square().sum(-1).mean(), info

    @torch.no_grad()
    def adjoint(self, nets: Nets, obs: Tensor, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """The slow velocity at (x, t), and J^T dQ/dx with its Jacobian J."""
        uphill = grad(lambda x: nets.slow.critic(obs, x).mean(0).sum())(x)
        velocity, pull_back = vjp(lambda x: nets.slow.actor.velocity(obs, x, t), x)
        return velocity, pull_back(uphill)[0]

    def generate(self, nets: Nets, obs: Tensor, noise: Tensor) -> Tensor:
        return nets.steered.sample(obs, noise)


@pytest.mark.parametrize("family", [Flow, MeanFlow, Shortcut])
def test_a_rule_of_two_policies_trains_alike_apart_and_under_vmap(
    random_batch: Any, request: pytest.FixtureRequest, family: type[Backbone]
):
    algorithm, backbone = Steered(**CRITIC), family(11, 2)
    apart = Learner(algorithm, backbone, 3, 2, (0, 1))
    before, state = deepcopy(apart.params), deepcopy({**apart.state_dict(), "moments": {}})
    batch, noise = random_batch(apart), apart.draw()
    info = apart.update(batch, noise)
    request.getfixturevalue("as_on_gpu")
    mapped = Learner(algorithm, backbone, 3, 2, (0, 1))
    mapped.load_state_dict(state)
    torch.testing.assert_close(mapped.update(batch, noise), info, rtol=1e-4, atol=1e-5)
    moved = tree_map(lambda p, q: not torch.equal(p, q), apart.params, before)
    assert all(moved[name][key] for name in moved for key in moved[name])
    assert {"actor_spread", "q_generated"} <= set(mapped.watch(torch.randn(2, 4, 3)))


def test_a_gradient_goes_back_through_a_velocity():
    """J^T dQ/dx of `Steered` against the Jacobian written out."""
    algorithm, backbone = Steered(**CRITIC), Flow(11, 2)
    learner = Learner(algorithm, backbone, 3, 2, (0,))
    params = tree_map(lambda p: p.detach()[0], learner.params)
    nets = bind(learner.policies, learner.modules, params, params)
    obs, x, t = torch.randn(1, 3), torch.randn(1, 4), torch.full((1, 1), 0.3)
    uphill = torch.autograd.functional.jacobian(lambda x: nets.slow.critic(obs, x).mean(), x)[0]
    jacobian = torch.autograd.functional.jacobian(lambda x: nets.slow.actor.velocity(obs, x, t)[0], x)[:, 0]
    velocity, adjoint = algorithm.adjoint(nets, obs, x, t)
    torch.testing.assert_close(velocity, nets.slow.actor.velocity(obs, x, t))
    torch.testing.assert_close(adjoint[0], jacobian.T @ uphill)


def test_what_a_rule_needs_is_named_with_the_backbones_that_have_it():
    assert (
        Steered().misfit(Gaussian())
        == "it needs a policy with a velocity; take the backbone flow or flow_map or meanflow or shortcut"
    )
    assert Steered().misfit(MeanFlow()) == Edit().misfit(Drifting()) == BC().misfit(Gaussian()) == ""
