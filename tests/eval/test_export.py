"""Exported graphs compute what the policy does; the rest is refused and leaves no file."""

import json
import sys

import pytest
import torch

from envs.command import run_command
from eval import export
from eval.bench.exported import HEADERS, measure
from eval.config.configure import configure
from eval.export import Agreement, compare, examples, from_onnx, from_torch, part_of, to_onnx, to_torch, trace
from eval.policy import load

PAIRS = ["dfp drifting", "dfp flow", "dfp gaussian", "fql meanflow", "bc deterministic", "iql shortcut", "srpo diffusion"]
PAIRS += ["brac consistency", "awac drifting", "rebrac deterministic"]
FEW = {"flow": {"backbone.flow_steps": 3}, "diffusion": {"backbone.diffusion_steps": 3}}


@pytest.mark.parametrize("pair", PAIRS)
def test_a_graph_acts_as_the_policy(kept_policy, pair):
    algo, backbone = pair.split()
    policy = load(kept_policy("cube-single-task2", algo=algo, backbone=backbone, **FEW.get(backbone, {})))
    for part in ("choice", "actor"):
        actor = part_of(policy, part)
        data = to_torch(trace(actor, 28), {})
        agreement = compare(from_torch(data), actor, 28)
        assert agreement.difference < 1e-5 and agreement.same >= 995
    obs, noise = examples(actor, 28, 3)
    assert noise.shape[1] == 1 and torch.equal(actor.choose(obs, noise), policy.actor.choose(obs, noise))


def test_an_onnx_graph_acts_as_the_policy_for_any_number_of_observations(kept_policy):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    actor = part_of(load(kept_policy("cube-single-task2")), "choice")
    run = from_onnx(to_onnx(trace(actor, 28), {}))
    agreement = compare(run, actor, 28)
    assert agreement.difference < 1e-5 and agreement.same >= 995
    obs, noise = examples(actor, 28, 5)
    assert all(torch.allclose(run(obs[:n], noise[:n]), actor.choose(obs, noise)[:n], atol=1e-5) for n in (1, 2, 5))


def test_another_policy_is_found_out(kept_policy):
    """The check sees a wrong network, and one that takes another candidate."""
    actor, other = (load(kept_policy("cube-single-task2")).actor for _ in range(2))
    with torch.no_grad():
        other.modules["actor"].layers[0].weight.mul_(1.01)
    assert compare(other.choose, actor, 28).difference > 1e-5
    flipped = compare(lambda obs, noise: actor.choose(obs, noise[:, :1]), actor, 28)
    assert flipped.difference < 1e-5 and flipped.same < 600


@pytest.fixture
def command(monkeypatch, refused):
    def start(*options: object) -> str:
        monkeypatch.setattr(sys, "argv", ["export", *map(str, options)])
        return refused(main=lambda _: run_command(export.main))

    return start


def test_the_command_writes_a_file_that_says_what_it_is(kept_policy, tmp_path, monkeypatch, capsys):
    out = tmp_path / "policy.pt2"
    monkeypatch.setattr(sys, "argv", ["export", kept_policy("cube-single-task2"), "--out", str(out)])
    run_command(export.main)
    assert "obs [n, 28], noise [n, 3, 25], chunk [n, 5, 5]" in capsys.readouterr().out
    extra = {"policy": ""}
    torch.export.load(out, extra_files=extra)
    assert json.loads(extra["policy"])["noise"] == [3, 25]


def test_what_cannot_be_exported_is_refused(kept_policy, command, tmp_path, monkeypatch):
    path, out = kept_policy("cube-single-task2"), tmp_path / "policy.pt2"
    assert "no such file" in command(tmp_path / "nowhere", "--out", out)
    monkeypatch.setattr(export, "compare", lambda *_: Agreement(3e-5, 1000))
    assert "it differs from the policy by 3e-05" in command(path, "--out", out)
    ranking = kept_policy("cube-single-task2", **{"algo.ranking": "bfloat16"})
    assert "it ranks in bfloat16" in command(ranking, "--out", out)


def test_the_file_s_ending_says_the_format_before_anything_is_loaded(command, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    missing = command(tmp_path / "nowhere", "--out", tmp_path / "policy.onnx")
    assert missing == "error: onnx is not installed: pip install -c constraints.txt -e '.[export]'"
    for name in ("policy", "policy.safetensors"):
        assert "its ending says the format, one of .onnx, .pt2, .pt" in command(tmp_path / "nowhere", "--out", tmp_path / name)


def test_exported_policies_are_timed_beside_ours():
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    times = measure(configure(**{"backbone.width": 16, "algo.critic_width": 16}), repeats=2)
    assert times.keys() == HEADERS.keys() and min(times.values()) > 0
    weights = 16 * (28 + 25) + 16 + 16 * 16 + 16 + 25 * 16 + 25
    assert times["megabytes"] == pytest.approx(4e-6 * weights), "a sample reads the actor alone, once"
