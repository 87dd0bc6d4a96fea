"""The authors' recorded numbers (tests/golden/README.md). The variable GOLDEN names another folder of the same form.

Tolerance: 1e-5 of the largest magnitude for losses and gradients, 1e-5 absolute for parameters.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backbones.drifting import Drifting, joint_field

FOLDER = Path(os.environ.get("GOLDEN", Path(__file__).parents[1] / "golden"))
Arrays = dict[str, np.ndarray]


def load(path: Path) -> Arrays:
    return dict(np.load(path, allow_pickle=False))


def files(pattern: str) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted(FOLDER.glob(pattern))]


def close(ours: Any, theirs: np.ndarray, what: str) -> None:
    """Within 1e-5 of the largest magnitude."""
    difference = np.abs(np.asarray(ours, np.float64) - theirs).max()
    assert difference <= 1e-5 * np.abs(theirs).max(), f"{what}: differs by {difference}"


def inside(arrays: Arrays, prefix: str) -> Arrays:
    """The entries under a prefix, without it."""
    return {key.removeprefix(f"{prefix}/"): value for key, value in arrays.items() if key.startswith(f"{prefix}/")}


def test_folder_is_complete():
    assert {"drift_loss", "chunk_sampler"} <= {path.stem for path in FOLDER.glob("*.npz")}
    assert len(files("*_update*.npz")) >= 1


def cases() -> list[Any]:
    def numbered(path: Path) -> list[Any]:
        arrays = load(path)
        names = sorted({key.split("/")[0] for key in arrays})
        return [pytest.param(inside(arrays, name), id=f"{path.stem}-{name}") for name in names]

    return [case for path in sorted(FOLDER.glob("drift_loss*.npz")) for case in numbered(path)]


@pytest.mark.parametrize("case", cases())
def test_drift_loss(case: Arrays):
    """The joint field's loss, its gradient, the length scale and the force of each temperature."""
    x = torch.tensor(case["gen"], requires_grad=True)
    temperatures = [round(float(t), 6) for t in case["temperatures"]]
    positives = torch.tensor(case["positives"])
    if "negatives" in case:
        field, unit, forces = joint_field(x.detach(), positives, temperatures, torch.tensor(case["negatives"]))
        loss = (x / unit - (x.detach() / unit + field)).square().mean((1, 2))
        scale = unit * x.shape[-1] ** 0.5
    else:
        loss, scale, _ = Drifting(temperatures=tuple(temperatures)).drift_loss(x, positives)
        _, _, forces = joint_field(x.detach(), positives, temperatures)
    loss.mean().backward()
    close(loss.detach(), case["loss"], "loss")
    close(x.grad, case["grad_mean_loss"], "gradient")
    close(scale, case["scale"], "scale")
    for temperature, force in zip(temperatures, forces, strict=True):
        close(force, case[f"force_norm_{temperature:g}"], f"force at {temperature}")


def mlp(arrays: Arrays, norms: bool) -> Arrays:
    """The recorded layers of a network under our names."""
    depth = sum(key.startswith("Dense_") and key.endswith("/kernel") for key in arrays) - 1
    ours = {}
    for i in range(depth + 1):
        ours[f"layers.{i}.weight"] = np.swapaxes(arrays[f"Dense_{i}/kernel"], -1, -2)
        ours[f"layers.{i}.bias"] = arrays[f"Dense_{i}/bias"]
    for i in range(depth if norms else 0):
        ours[f"norms.{i}.weight"], ours[f"norms.{i}.bias"] = (arrays[f"LayerNorm_{i}/{key}"] for key in ("scale", "bias"))
    return ours


def network(arrays: Arrays, theirs: str) -> Arrays:
    """One recorded network, or its gradient, as our state dict; `arrays` is one of params_before, grads, params_after."""
    if "critic" not in theirs:
        return mlp(inside(arrays, f"modules_{theirs}/mlp"), norms=False)
    ensemble = mlp(inside(arrays, f"modules_{theirs}/value_net"), norms=True)
    return {
        f"members.{e}.{key}": value[e]
        for key, values in ensemble.items()
        for e, value in enumerate(values)
        for value in [values]
    }


def size(arrays: Arrays, theirs: str) -> dict[str, int]:
    """Width and depth of a recorded network."""
    net = network(inside(arrays, "params_before"), theirs)
    weights = [value for key, value in net.items() if "layers." in key and key.endswith("weight") and "members.1" not in key]
    members = {key.split(".")[1] for key in net if key.startswith("members")}
    return {"width": weights[0].shape[0], "depth": len(weights) // max(1, len(members - {"1"})) - 1}


@pytest.mark.parametrize("path", files("*_update*.npz"))
def test_update(path: Path):
    """One update: losses, gradients, and all parameters after Adam and the slow networks' step."""
