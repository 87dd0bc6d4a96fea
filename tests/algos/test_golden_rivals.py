"""Recorded updates of the methods to beat: QAM and its relatives (tests/golden/README.md)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.func import grad

from algos import qam
from algos.base import Algorithm
from algos.critic import pessimistic
from algos.edit import Edit
from algos.fql import FQL
from algos.qam import QAM
from backbones.base import Backbone
from backbones.flow import Flow
from backbones.nets import joined
from tests.algos.golden import FOLDER, Recorded, config_of, load, size, updates


class OfQAM(Recorded):
    """An update of QC-FQL with ten critics, QAM, QAM-E, QAM-F or FEdit, of one program."""

    def __init__(self, path: Path):
        super().__init__(path)
        agent, noise = self.config["agent_name"], self.noise
        self.actor = "actor_slow" if agent == "qam" else "actor_bc_flow"
        self.names, self.slow = {"actor": self.actor, "critic": "critic"}, {"critic": "target_critic"}
        self.losses = {"loss": "loss", "critic_loss": "info/critic/critic_loss"}
        if agent == "qam":
            self.names["tuned"], self.slow["actor"] = "actor_fast", "target_actor_slow"
            self.losses |= {"matching_loss": "info/actor/adj_loss", "bc_loss": "info/actor/flow_loss", "grad_norm": "grad_norm"}
        if "distill" in noise:
            self.names["student"] = "one_step_actor" if agent == "qam" else "actor_onestep_flow"
        if "edit" in noise:
            self.names |= {"edit": "edit_actor", "entropy_weight": "edit_alpha" if agent == "qam" else "alpha"}
            self.losses["edit_entropy"] = "info/actor/edit_entropy"

    def algorithm(self) -> Algorithm:
        config, shared = self.config, self.critic_options() | {"pessimism": self.config["rho"]}
        if config["agent_name"] == "fql":
            return FQL(**shared, distill_weight=config["alpha"])
        shared |= {"edit_scale": config["edit_scale"], "edit_entropy": config["edit_target_entropy"] / self.chunk_dim}
        if config["agent_name"] == "fedit":
            return Edit(**shared)
        clip = {"max_grad_norm": 1.0 if config["clip_grad"] else 0.0}
        return QAM(**shared, **clip, inverse_temperature=config["inv_temp"], distill_weight=config["fql_alpha"])

    def backbone(self) -> Backbone:
        return Flow(*size(self.before, self.actor), flow_steps=self.config["flow_steps"])

    def draws(self) -> dict[str, Any]:
        """Edits take the noise of the action below and their own in one vector; the last of their SDE's noises is not used."""
        noise = self.noise
        draws: dict[str, Any] = {
            "fit": {"noise": self.each_positive("flow_noise", self.chunk_dim), "t": self.each_positive("flow_t", 1)},
            "next_action": noise["target_candidates"],
        }
        if "sde" in noise:
            draws |= {"start": noise["sde_start"], "steps": noise["sde"][:, :-1]}
        if "edit" in noise:
            draws["next_action"] = torch.cat([noise["target_candidates"], noise["target_edit"]], -1)
            draws["edit"] = torch.cat([noise["edit_base"], noise["edit"]], -1)
        return draws | ({"distill": noise["distill"]} if "distill" in noise else {})


QAMS = [
    file for file in updates(False, "fql", "qam", "fedit") if "rho" in config_of(load(file.values[0]))
]  # FQL's own: Table 7


@pytest.mark.parametrize("path", QAMS)
def test_update(path: Path):
    OfQAM(path).check()


@pytest.mark.usefixtures("as_on_gpu")
@pytest.mark.parametrize("path", QAMS)
def test_update_under_vmap(path: Path):
    OfQAM(path).check_mapped()


path_of, adjoint_of = qam.memoryless_path, qam.lean_adjoint


def unclipped(self: QAM, nets: Any, obs: Any, action: Any) -> Any:
    return grad(lambda a: nets.slow.critic(obs, a).mean(0).sum())(action)


def of_the_online_critic(self: QAM, nets: Any, obs: Any, action: Any) -> Any:
    return grad(lambda a: nets.constant.critic(obs, a.clamp(-1, 1)).mean(0).sum())(action)


def mean_edit(self: QAM, nets: Any, batch: Any, noise: Any) -> Any:
    base = self.base(nets, batch.next_obs, noise[:, 0].chunk(2, -1)[0])
    mean = nets.edit.sample(joined(batch.next_obs, base), torch.zeros_like(base))
    return nets.slow.critic(batch.next_obs, (base + self.edit_scale * mean).clamp(-1, 1))


def cautious(nets: Any, teacher: Any, obs: Any, noise: Any) -> Any:
    action = nets.student(obs, noise)
    values = pessimistic(nets.constant.critic(obs, action.clamp(-1, 1)), 0.5)
    return (action - teacher.sample(obs, noise).detach()).square().mean(), values


MISTAKES: dict[str, tuple[str, str, Callable[..., Any]]] = {
    "the last step along the tuned field": ("qam", "algos.qam.memoryless_path", lambda w, v, *noise: path_of(w, w, *noise)),
    "the Jacobian at t": (
        "qam",
        "algos.qam.lean_adjoint",
        lambda v, path, end: adjoint_of(lambda x, t: v(x, t - 1 / (len(path) - 1)), path, end),
    ),
    "an end that is not clipped": ("qam", "algos.qam.QAM.value_gradient", unclipped),
    "the online critic's gradient": ("qam", "algos.qam.QAM.value_gradient", of_the_online_critic),
    "targets without pessimism": ("qc_fql_10", "algos.critic.pessimistic", lambda values, _: values.mean(0)),
    "a likelihood without tanh": ("qam_edit", "backbones.tanh_gaussian.log_slope", torch.zeros_like),
    "the mean edit in the target": ("qam_edit", "algos.qam.QAM.next_values", mean_edit),
    "a cautious student": ("qam_fql", "algos.qam.imitate", cautious),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_shows(monkeypatch: pytest.MonkeyPatch, mistake: str):
    file, place, wrong = MISTAKES[mistake]
    recorded = OfQAM(FOLDER / f"{file}_update.npz")
    monkeypatch.setattr(place, wrong)
    with pytest.raises(AssertionError, match="differs by"):
        recorded.check()


def test_without_the_bound_the_parameters_differ():
    """By little: Adam forgets a gradient's size, except where it is near Adam's 1e-8."""
    recorded = OfQAM(FOLDER / "qam_update.npz")
    recorded.config["clip_grad"] = False
    del recorded.losses["grad_norm"]
    with pytest.raises(AssertionError, match=r"^(?!gradient).*differs by"):
        recorded.check()
