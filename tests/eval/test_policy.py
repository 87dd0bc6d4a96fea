"""Policy files: what was trained comes back to the bit, and nothing else is ever taken for it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from algos.base import Algorithm
from algos.learner import Learner
from backbones.base import Backbone, names
from backbones.dense import Dense
from eval.config.configure import configure
from eval.policy import load
from eval.results import policy
from eval.running.rollout import EVALUATE, Evaluator, Rollout, act, action_rng, reset_seed

GOLDEN = Path(__file__).parents[1] / "golden" / "policy.safetensors"
SIZES = {"backbone.width": 11, "algo.critic_width": 9, "backbone.depth": 2, "algo.critic_depth": 2}
FEW = {"algo.best_of": 3, "backbone.diffusion_steps": 3, "backbone.flow_steps": 3}
OUTCOME = {"success": [1, 0], "return": [0.0, -3.0], "length": [2, 3]}


def tiny_config(algo: str, backbone: str, **changes):
    """Of a pair, with the sizes that it has."""
    sizes = {**SIZES, **FEW, **changes}
    while True:
        try:
            return configure(algo=algo, backbone=backbone, **sizes)
        except ValueError as error:
            unknown = [name for name in sizes if f"unknown option '{name}'" in str(error)]
            if not unknown:
                raise
            sizes.pop(unknown[0])


def fitting() -> list[tuple[str, str]]:
    """The registry's pairs that make sense."""
    pairs = []
    for algo in names("algos", Algorithm):
        for backbone in names("backbones", Backbone):
            try:
                tiny_config(algo, backbone)
                pairs.append((algo, backbone))
            except ValueError:
                continue
    return pairs


def kept(config, folder: Path, seed: int = 0, phase: str = "offline", step: int = 1, **outcome):
    """An untrained actor, and its file."""
    actor = Learner(config.algo, config.backbone, config.task.obs_dim, config.task.action_dim, (seed,)).actor(0).snapshot()
    run = {"kind": "start", "created": "2026-01-01", "config": config.to_json()}
    path = folder / f"{phase}-{seed}-{step}.safetensors"
    policy.write(path, actor, run, {"seed": seed, "phase": phase, "step": step, **OUTCOME, **outcome})
    return actor, path


@pytest.mark.parametrize(("algo", "backbone"), fitting())
def test_every_pair_acts_as_it_did(tmp_path, algo, backbone):
    for horizon, task in ((1, "probe-bandit"), (5, "cube-single-task2"), (5, "lift")):
        config = tiny_config(algo, backbone, task=task, **{"algo.horizon": horizon})
        actor, path = kept(config, tmp_path)
        loaded = load(path)
        obs = np.random.default_rng(1).standard_normal((7, config.task.obs_dim), np.float32)
        expected = act(actor, obs, [np.random.default_rng(2)] * 7)
        assert np.array_equal(loaded.chunk(obs, np.random.default_rng(2)), expected)
        assert np.array_equal(loaded.chunk(obs[0], np.random.default_rng(2)), expected[0])
        assert loaded.config == config
        path.unlink()


def test_only_what_acting_needs_is_kept(tmp_path):
    def networks(*pair, **changes):
        _, path = kept(tiny_config(*pair, **changes), tmp_path)
        with safe_open(path, "pt") as file:
            return {name.partition(".")[0] for name in file.keys()}  # noqa: SIM118

    assert networks("dfp", "drifting") == {"actor", "critic"}
    assert networks("dfp", "drifting", **{"algo.best_of": 1}) == {"actor"}
    assert networks("fql", "flow") == {"student"}
    assert networks("srpo", "diffusion") == {"policy"}


@pytest.mark.parametrize("task", ["cube-single-task2", "lift"])
def test_acting_step_by_step_is_the_evaluation(tmp_path, task):
    """To the bit, with the chunk under way kept from call to call."""
    if task == "lift":
        pytest.importorskip("robosuite")
    actor, path = kept(tiny_config("dfp", "drifting", task=task), tmp_path, seed=4)
    loaded, episode = load(path), 3
    env = loaded.task.make_env()
    there = Rollout(env, 4, episode)
    while there.length < 20:
        there.follow(act(actor, there.obs[None], [there.rng()])[0])
    here = loaded.task.make_env()
    obs, _ = here.reset(seed=reset_seed(EVALUATE, 4, episode))
    for step in range(20):
        obs, *_ = here.step(loaded(obs, action_rng(EVALUATE, 4, episode, step)))
    assert np.array_equal(obs, there.obs)


def test_a_run_keeps_what_its_record_says(tiny, tmp_path):
    """Each kept policy's outcome over the recorded evaluation's episodes is the record's."""
    _, run = tiny("--seeds", "0", "3", "--keep-policies", "all", "--task", "probe-bandit", "--algo.horizon", "1")
    about = policy.find(run.path.parent, "online")
    assert [(a.seed, a.step, a.run) for a in about] == [(0, 8, run.start), (3, 8, run.start)]
    for evaluation in run.evaluations:
        loaded = load(run.path.parent, evaluation["phase"], evaluation["seed"], evaluation["step"])
        evaluator = Evaluator(loaded.task, "post", 0)
        again = list(evaluator.evaluate({loaded.about.seed: loaded.actor}, 3))
        assert [round(e.total_reward, 6) for e in again] == evaluation["return"] == loaded.about.evaluation["return"]
    assert len({value for e in run.evaluations for value in e["return"]}) > 3


@pytest.mark.parametrize(
    ("which", "kept"),
    [
        ("none", []),
        ("ends", [("offline", 6), ("online", 8)]),
        ("all", [("offline", 4), ("offline", 6), ("online", 4), ("online", 8)]),
    ],
)
def test_as_many_are_kept_as_asked_for(tiny, which, kept):
    _, run = tiny("--keep-policies", which)
    found = [policy.read_about(path) for path in run.path.parent.rglob("*.safetensors")]
    assert sorted((a.phase, a.step) for a in found) == kept
    assert "keep" not in json.dumps(run.start["config"])


def test_the_last_phase_the_first_seed_and_the_best_are_found(tmp_path):
    config = tiny_config("dfp", "drifting")
    for phase, step, success in (("offline", 5, [1, 1]), ("online", 10, [1, 1]), ("online", 200, [0, 1])):
        for seed in (2, 11):
            kept(config, tmp_path / "policies", seed, phase, step, success=success)
    assert (load(tmp_path).about.phase, load(tmp_path).about.step, load(tmp_path).about.seed) == ("online", 200, 2)
    assert load(tmp_path, step="best").about.step == 10
    assert load(tmp_path, "offline", 11).about.seed == 11


def test_a_file_under_way_is_no_policy_yet(tmp_path):
    """A process that is killed as it writes leaves a hidden folder behind."""
    _, path = kept(tiny_config("dfp", "drifting"), tmp_path)
    (tmp_path / ".left").mkdir()
    (tmp_path / ".left" / "online-9-seed0.safetensors").write_bytes(path.read_bytes()[:100])
    assert load(tmp_path).about.path == path


def test_a_chunk_is_taken_open_loop_until_reset(tmp_path):
    _, path = kept(tiny_config("dfp", "drifting"), tmp_path)
    loaded, obs = load(path), np.ones((3, 28))
    chunk = loaded.chunk(obs, np.random.default_rng(5))
    first = [loaded(obs, np.random.default_rng(5)) for _ in range(3)]
    assert np.array_equal(np.stack(first, 1), chunk[:, :3])
    with pytest.raises(ValueError, match=r"obs has shape \[28\], the chunk under way is of others"):
        loaded(obs[0])
    loaded.reset()
    assert loaded(obs[0]).shape == (5,) and loaded.chunk(obs[0]).shape == (5, 5)
    with pytest.raises(ValueError, match=r"obs has shape \[3\], needed is \[28\] or \[n, 28\]"):
        loaded(np.ones(3))


def test_what_is_not_finite_is_refused_at_every_step(tmp_path):
    loaded = load(kept(tiny_config("dfp", "drifting"), tmp_path)[1])
    for obs, words in (([*[0] * 27, np.nan], r"obs\[27\] is nan"), (np.full((2, 28), -np.inf), r"obs\[0, 0\] is -inf")):
        with pytest.raises(ValueError, match=f"^{words}; a finite number is needed$"):
            loaded(obs)
    loaded(np.zeros(28))
    with pytest.raises(ValueError, match="a finite number is needed"):  # in the chunk under way, too
        loaded(np.full(28, np.nan))


@pytest.mark.parametrize("kernel", ["torch", "onednn", "fused"])
def test_a_policy_computes_by_its_run_s_kernel(tmp_path, kernel):
    actor, path = kept(tiny_config("dfp", "drifting", **{"backbone.width": 64}), tmp_path)
    run = policy.read_about(path).run
    for net in actor.modules.values():
        policy.compute_as(net, kernel)
    policy.write(path, actor, {**run, "kernel": kernel}, {"seed": 0, "phase": "offline", "step": 1, **OUTCOME})
    loaded, obs = load(path), np.random.default_rng(1).standard_normal((5, 28), np.float32)
    layers = [layer for net in loaded.actor.modules.values() for layer in net.modules() if isinstance(layer, Dense)]
    assert {layer.kernel for layer in layers} == {kernel}
    assert np.array_equal(loaded.chunk(obs, np.random.default_rng(2)), act(actor, obs, [np.random.default_rng(2)] * 5))


def test_loading_draws_nothing(tmp_path):
    _, path = kept(tiny_config("dfp", "drifting"), tmp_path)
    before = torch.get_rng_state()
    load(path)
    assert torch.equal(before, torch.get_rng_state())


def test_the_golden_file_is_read():
    """A file of format 1, as it was written once: a change of the format is a new number, not another reading."""
    loaded = load(GOLDEN)
    assert (loaded.task.name, loaded.about.phase, loaded.about.seed, loaded.about.step) == (
        "cube-single-task2",
        "online",
        7,
        3000,
    )
    chunk = loaded.chunk(np.linspace(-1, 1, 28), np.random.default_rng(0))
    expected = json.loads(GOLDEN.with_suffix(".json").read_text())
    assert np.allclose(chunk, expected, atol=1e-5)


def rewritten(path: Path, **about) -> None:
    with safe_open(path, "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        old = json.loads(file.metadata()["policy"])
    save_file(weights, path, {"policy": json.dumps(old | about)})


def test_what_is_no_policy_is_refused_in_one_line(tmp_path):
    config = tiny_config("dfp", "drifting", **{"algo.best_of": 1})
    _, path = kept(config, tmp_path / "run")
    whole = path.read_bytes()

    def refused(words: str, where: Path = path, **choice) -> None:
        with pytest.raises(ValueError, match=words) as error:
            load(where, **choice)
        assert "\n" not in str(error.value)

    refused("no such file", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    refused("no policy in this folder; .*--keep-policies", tmp_path / "empty")
    refused("no policy of online was kept; there is offline seed 0 step 1", phase="online")
    refused("no policy of offline seed 5 was kept", seed=5)
    refused("no policy of offline step 9 was kept", step=9)
    refused("without its critic", best_of=4)
    refused("algo.best_of", best_of=-1)
    path.write_bytes(whole[:-10])
    refused("not a whole policy file")
    path.write_bytes(whole[:-10] + b"0123456789")
    refused("damaged")
    path.write_bytes(b"PK\x03\x04")
    refused("not a whole policy file")
    save_file({"a": torch.ones(1)}, path)
    refused("not a whole policy file")
    path.write_bytes(whole)
    rewritten(path, format=2)
    refused("a policy of format 2, this version reads 1")
    path.write_bytes(whole)
    rewritten(path, run={"config": config.to_json() | {"task": "cube-nonuple-task2"}})
    refused("unknown task 'cube-nonuple-task2'")
    rewritten(path, run={"config": config.to_json() | {"temperature": 1}})
    refused("unknown 'temperature'")
    rewritten(path, run={"config": config.to_json() | {"backbone": config.to_json()["backbone"] | {"width": 12}}})
    refused("do not fit its configuration")
