"""What every backbone keeps, the one in a new file included: its contract, and a first thing to learn."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torch.utils._pytree import tree_leaves

from backbones.base import Backbone, find
from eval.config.config import find_part
from tests.subjects import every

BACKBONES = every(Backbone)
UNIMODAL = [name for name in BACKBONES if find_part(Backbone, name).unimodal]
MODES_APART: dict[str, dict[str, Any]] = {
    "drifting": {"temperatures": (0.2,), "output_gain": 4.0, "num_generated": 8},
    "diffusion": {"depth": 3},
    "flow_map": {"time_features": 0},
}
"""Options with which a family keeps two modes apart, where its defaults do not."""
UPDATES = {"diffusion": 800, "shortcut": 800}
"""More updates than the others have."""

B, OBS, ACTION = 6, 3, 4


def network(backbone: Backbone) -> Any:
    torch.manual_seed(0)
    return backbone.network(OBS, ACTION)


def problem(backbone: Backbone, seed: int = 0, **sizes: int) -> tuple[Tensor, dict[str, Tensor], Any]:
    """Observations, sets of positives of these sizes, and the noise that their losses need."""
    g = Generator().manual_seed(seed)
    obs = torch.randn(B, OBS, generator=g)
    sets = {name: torch.rand(B, size, ACTION, generator=g) * 2 - 1 for name, size in sizes.items()}
    return obs, sets, backbone.draw(g, B, sum(sizes.values()), ACTION)


@pytest.fixture(params=[*BACKBONES, "residual diffusion", "CONTRIBUTING"])
def backbone(request: pytest.FixtureRequest, tiny_backbone: Any, contributed: type[Backbone]) -> Backbone:
    if request.param == "CONTRIBUTING":
        return contributed(width=11, depth=2)
    if request.param == "residual diffusion":
        return tiny_backbone("diffusion", residual=True)
    return tiny_backbone(request.param)


@pytest.fixture(scope="session")
def contributed() -> type[Backbone]:
    """The backbone that CONTRIBUTING.md has in full."""
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
    [source] = re.findall(r"```python\n(# backbones/.*?)```", text, re.DOTALL)
    scope: dict[str, Any] = {"__name__": "contributed"}
    exec(source, scope)
    return scope["Regression"]


def test_folder_holds_the_families_of_the_study():
    families = {"consistency", "deterministic", "diffusion", "drifting", "flow", "gaussian", "meanflow", "shortcut"}
    assert families <= set(BACKBONES)


def test_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"^unknown backbone 'driftng'; did you mean drifting\?$"):
        find("backbones", Backbone, "driftng")
    with pytest.raises(ValueError, match=r"unknown backbone 'nets'; there are consistency, .*"):
        find("backbones", Backbone, "nets")


@pytest.mark.parametrize("name", BACKBONES)
def test_options_are_frozen_and_explained(name: str):
    cls = find_part(Backbone, name)
    assert all(field.metadata.get("help") for field in dataclasses.fields(cls))
    with pytest.raises(dataclasses.FrozenInstanceError):
        cls().width = 1


def test_actions_lie_in_the_unit_box(backbone: Backbone):
    obs, noise = 100 * torch.randn(20, OBS), 100 * torch.randn(20, ACTION)
    actions = backbone.sample(network(backbone), obs, noise)
    assert actions.shape == (20, ACTION) and actions.abs().max() == 1


def test_leading_axes_broadcast(backbone: Backbone):
    """[B, 1, obs] with noise [B, N, a] gives what each pair gives alone."""
    net, obs, noise = network(backbone), torch.randn(B, OBS), torch.randn(B, 5, ACTION)
    together = backbone.sample(net, obs[:, None], noise)
    alone = torch.stack([torch.stack([backbone.sample(net, o, n) for n in ns]) for o, ns in zip(obs, noise, strict=True)])
    assert together.shape == (B, 5, ACTION)
    torch.testing.assert_close(together, alone)


def test_samples_follow_noise_and_state_and_nothing_else(backbone: Backbone):
    net, obs, noise = network(backbone), torch.randn(B, OBS), torch.randn(B, ACTION)
    actions = backbone.sample(net, obs, noise)
    assert torch.equal(actions, backbone.sample(net, obs, noise))
    assert not torch.equal(actions, backbone.sample(net, obs + 1, noise))
    assert torch.equal(actions, backbone.sample(net, obs, noise + 1)) == backbone.deterministic


def test_draws_follow_the_generator(backbone: Backbone):
    same, again, other = (tree_leaves(problem(backbone, seed, data=3)[2]) for seed in (0, 0, 1))
    assert all(map(torch.equal, same, again))
    assert not any(map(torch.equal, same, other))


def test_each_set_has_one_finite_loss_a_state(backbone: Backbone):
    obs, sets, noise = problem(backbone, elites=2, data=3)
    losses, info = backbone.losses(network(backbone), obs, sets, noise)
    assert {name: loss.shape for name, loss in losses.items()} == {"elites": (B,), "data": (B,)}
    assert all(value.isfinite().all() for value in (*losses.values(), *info.values()))
    assert all(value.shape == () and not value.requires_grad for value in info.values())


@pytest.mark.parametrize("name", ["elites", "data"])
def test_the_loss_of_each_set_reaches_every_parameter(backbone: Backbone, name: str):
    net = network(backbone)
    losses, _ = backbone.losses(net, *problem(backbone, elites=2, data=3))
    gradients = torch.autograd.grad(losses[name].mean(), list(net.parameters()))
    assert all(g.isfinite().all() and g.any() for g in gradients)


def test_a_set_does_not_feel_the_others(backbone: Backbone):
    """Listed alone, with the noise of its own positives where each positive has its own, a set has the same loss."""
    net = network(backbone)
    obs, sets, noise = problem(backbone, elites=2, data=3)
    together, _ = backbone.losses(net, obs, sets, noise)
    for name, places in {"elites": slice(0, 2), "data": slice(2, 5)}.items():
        own = {key: x[:, places] if x.shape[1] == 5 else x for key, x in noise.items()}
        alone, _ = backbone.losses(net, obs, {name: sets[name]}, own)
        torch.testing.assert_close(alone[name], together[name])


def test_loss_does_not_change_the_positives(backbone: Backbone):
    obs, sets, noise = problem(backbone, data=2)
    before = sets["data"].clone()
    backbone.losses(network(backbone), obs, sets, noise)
    assert torch.equal(sets["data"], before)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("consistency", {"num_levels": 1}),
        ("consistency", {"sigma_max": 0.001}),
        ("consistency", {"refinements": (2.0, 100.0)}),
        ("diffusion", {"diffusion_steps": 0}),
        ("drifting", {"temperatures": ()}),
        ("drifting", {"temperatures": (0.0,)}),
        ("drifting", {"temperatures": (0.05, -0.1)}),
        ("drifting", {"num_generated": 1}),
        ("drifting", {"kernel": "uniform"}),
        ("drifting", {"noise_dim": -1}),
        ("drifting", {"output_gain": 0.0}),
        ("drifting", {"exclude_self": True}),
        ("drifting", {"kernel": "laplacian"}),
        ("drifting", {"unit_field": True}),
        ("deterministic", {"output_gain": -1.0}),
        ("meanflow", {"constraint_weight": -1.0}),
        ("meanflow", {"time_std": -1.0}),
        ("flow", {"flow_steps": 0}),
        ("flow_map", {"time_features": 7}),
        ("flow_map", {"curriculum": (0.5, 0.5)}),
        ("flow_map", {"longest_jump": 1.5}),
        ("meanflow", {"equal_times": 1.1}),
        ("meanflow", {"equal_times": -0.1}),
        ("shortcut", {"shortcut_steps": 3}),
        ("shortcut", {"shortcut_steps": 32}),
        ("shortcut", {"finest_steps": 1}),
        ("shortcut", {"consistency_share": 0.0}),
    ],
)
def test_impossible_options_are_refused_by_name(name: str, options: dict[str, Any]):
    with pytest.raises(ValueError, match=rf"^backbone\.{next(iter(options))} "):
        find_part(Backbone, name)(**options)


def learn_two_modes(name: str) -> Tensor:
    """1,000 samples of a small policy that was fitted to +-0.5 in the first dimension (and 0.3 in the second)."""
    backbone = find_part(Backbone, name)(**{"width": 32, "depth": 2} | MODES_APART.get(name, {}))
    torch.manual_seed(0)
    net, g, states, obs = backbone.network(1, 2), Generator().manual_seed(0), 256, torch.zeros(256, 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(UPDATES.get(name, 400)):
        mode = torch.randint(2, (states, 1, 1), generator=g) - 0.5
        positives = torch.cat([mode, torch.full_like(mode, 0.3)], -1) + 0.05 * torch.randn(states, 1, 2, generator=g)
        losses, _ = backbone.losses(net, obs, {"data": positives}, backbone.draw(g, states, 1, 2))
        optimizer.zero_grad()
        losses["data"].mean().backward()
        optimizer.step()
    with torch.no_grad():
        return backbone.sample(net, torch.zeros(1000, 1), torch.randn(1000, 2, generator=g))


@pytest.mark.parametrize("name", [name for name in BACKBONES if name not in UNIMODAL])
def test_learns_two_modes(name: str):
    actions = learn_two_modes(name)
    near = [float(((actions[:, 0] - mode).abs() < 0.25).float().mean()) for mode in (-0.5, 0.5)]
    assert min(near) > 0.3 and abs(actions[:, 1].mean() - 0.3) < 0.1


@pytest.mark.parametrize("name", UNIMODAL)
def test_unimodal_families_learn_the_mean_of_both(name: str):
    actions = learn_two_modes(name)
    assert abs(actions[:, 0].mean()) < 0.1
    assert (actions[:, 0].abs() < 0.25).float().mean() > 0.25  # where no data is
