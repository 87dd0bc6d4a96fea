"""The papers' numbers, as the presets and methods have them."""

from operator import attrgetter
from typing import Any

import pytest

from eval.config.config import Config
from eval.config.configure import configure
from eval.config.presets import PRESETS
from tables.spec import TABLES

CUBES = {
    "algo.horizon": 5,
    "algo.num_candidates": 16,
    "algo.num_elites": 4,
    "algo.elite_weight": 0.5,
    "algo.best_of": 16,
    "algo.target_best_of": 16,
    "algo.old_policy_rate": 1e-4,
    "algo.target_rate": 5e-3,
    "algo.discount": 0.99,
    "algo.learning_rate": 3e-4,
    "algo.batch_size": 256,
    "algo.num_critics": 2,
    "backbone.temperatures": (0.05,),
    "backbone.num_generated": 8,
    "backbone.width": 512,
    "backbone.depth": 4,
    "offline_steps": 1_000_000,
    "online_steps": 1_000_000,
    "online_warmup": 5_000,
    "eval_episodes": 100,
}
ROBOMIMIC = {"algo.num_elites": 2, "algo.best_of": 4, "backbone.temperatures": (0.005, 0.05)}
PROTOCOLS = ("offline", "offline-to-online")
OFFLINE = {"algo.horizon": 1, "algo.best_of": 1, "algo.elites_offline": True, "online_steps": 0, "protocol": "offline"}
IQL_NETWORKS = {"backbone.width": 512, "backbone.depth": 4, "algo.critic_width": 512, "algo.critic_depth": 4}


def holds(config: Config, numbers: dict[str, Any]) -> bool:
    return {name: attrgetter(name)(config) for name in numbers} == numbers


@pytest.mark.parametrize(
    ("task", "numbers"),
    [
        ("cube-double-task2", CUBES),
        ("lift", CUBES | ROBOMIMIC | {"algo.target_best_of": 4}),
        ("cube-single-task2", OFFLINE | {"algo.elite_weight": 0.45, "algo.num_elites": 8}),
        ("puzzle-4x4-task4", OFFLINE | {"algo.elite_weight": 0.5, "algo.num_elites": 16, "algo.num_candidates": 32}),
        ("puzzle-4x4-task4", {"backbone.temperatures": (0.01, 0.05)}),
    ],
)
def test_paper_is_tables_5_and_8(task, numbers):
    assert holds(configure(task, preset="paper"), numbers)


def test_a_preset_changes_no_fixed_value():
    for preset in ("quick", "small", "qam"):
        assert configure("cube-double-task2", "rlpd", preset=preset).offline_steps == 0
        temperatures = configure("cube-double-task2", "driftql", preset=preset).backbone.temperatures
        assert temperatures == pytest.approx([0.2 * 5**0.5])
    assert configure("lift", "rlpd", offline_steps=200).offline_steps == 200
    assert {configure("can", name, preset="small").online_share for name in ("rlpd", "dfp-balanced")} == {0.5}


def test_a_method_without_an_offline_phase_is_never_offline():
    config = configure("cube-single-task2", "rlpd", preset="paper")
    assert (config.protocol, config.offline_steps, config.online_steps) == ("offline-to-online", 0, 1_000_000)
    with pytest.raises(ValueError, match="no offline phase"):
        configure("cube-single-task2", "rlpd", preset="paper", protocol="offline")


def test_a_task_of_both_protocols_has_both_tables_numbers():
    config = configure("cube-double-task2", preset="paper", protocol="offline")
    assert holds(config, OFFLINE | {"algo.elite_weight": 0.55, "algo.num_elites": 8})


def test_small_has_its_own_length_offline_alone():
    steps = {protocol: configure("cube-double-task2", "fql", preset="small", protocol=protocol) for protocol in PROTOCOLS}
    assert {protocol: (c.offline_steps, c.algo.discount, c.algo.final_rate) for protocol, c in steps.items()} == {
        "offline": (54_000, 0.99, 0.1),
        "offline-to-online": (16_000, 0.99, 0.3),
    }
    lift = configure("lift", "fql", preset="small", protocol="offline")  # learned sooner there, too
    assert (lift.offline_steps, lift.eval_every, lift.algo.final_rate) == (5_000, 2_500, 0.1)


@pytest.mark.parametrize("preset", ["laptop", "small"])
def test_what_an_online_phase_needs_is_not_there_without_one(preset):
    algos = {protocol: configure(preset=preset, protocol=protocol).algo for protocol in PROTOCOLS}
    assert {protocol: (algo.final_rate, algo.old_policy_rate) for protocol, algo in algos.items()} == {
        "offline": (0.1, 1e-4),
        "offline-to-online": (0.3, 0.005),
    }


@pytest.mark.parametrize("preset", ["laptop", "small"])
def test_our_presets_heed_tasks_with_long_episodes(preset):
    """A discount under which a far goal is worth something, and online batches that are not half failures."""
    configs = [configure(task, preset=preset) for task in ("cube-single-task2", "lift", "cube-double-task2", "can", "square")]
    assert [config.algo.discount for config in configs] == [0.98, 0.98, 0.99, 0.99, 0.99]
    assert [config.online_share for config in configs] == [0.5, 0.5, 0.5, 0, 0]
    more = ("cube-double-noisy-task1", "cube-triple-task2", "cube-quadruple-noisy-task3", "cube-octuple-task1")
    assert {configure(task, preset=preset).algo.discount for task in more} == {0.99}


def test_no_preset_changes_the_discount_of_the_longest_mazes():
    assert {configure("antmaze-giant-navigate-task1", "fql", preset=name).algo.discount for name in PRESETS} == {0.995}


def test_release_differs_from_paper_by_one_bandwidth():
    paper, release = (configure("cube-double-task2", preset=preset).to_json() for preset in ("paper", "release"))
    assert release.pop("preset") == "release" and paper.pop("preset") == "paper"
    assert release["backbone"].pop("temperatures") == [0.1] and paper["backbone"].pop("temperatures") == [0.05]
    assert release == paper


@pytest.mark.parametrize(
    ("method", "task", "numbers"),
    [
        ("qc-fql", "cube-double-task2", {"algo.distill_weight": 300}),
        ("qc-fql", "cube-triple-task2", {"algo.distill_weight": 100}),
        ("qc-fql", "cube-quadruple-task2", {"algo.distill_weight": 100}),
        ("fql", "cube-triple-task4", {"algo.distill_weight": 300}),
        ("fql", "square", {"algo.distill_weight": 10_000}),
        ("qc-bfn", "cube-double-task2", {"algo.best_of": 32}),
        ("qc-bfn", "can", {"algo.best_of": 16}),
        ("bfn", "can", {"algo.target_best_of": 4, "algo.horizon": 1}),
        ("mvp", "cube-double-task3", {"backbone.constraint_weight": 1}),
        ("mvp", "cube-triple-task3", {"backbone.constraint_weight": 0}),
        ("mvp", "lift", {"algo.elite_weight": 0}),
        ("dfp-no-top-k", "lift", {"algo.elite_weight": 0}),
        ("iql", "scene-task2", IQL_NETWORKS),
        ("iql", "scene-task2", {"algo.expectile": 0.9, "algo.pessimism": 1, "backbone.squash": False}),
        ("rebrac", "scene-task2", {"algo.target_std": 0.2, "algo.target_clip": 0.5, "algo.actor_every": 2}),
        ("rebrac", "scene-task2", {"backbone.squash": True}),
        ("bc", "scene-task2", {"backbone.squash": False}),
    ],
)
def test_methods_have_their_papers_numbers(method, task, numbers):
    assert holds(configure(task, method, preset="paper"), numbers)


QAM_TASKS = ("cube-double-task2", "cube-triple-task3", "cube-quadruple-task4", "scene-task1-sparse", "puzzle-3x3-task4-sparse")


@pytest.mark.parametrize(
    ("method", "options", "values"),
    [
        ("qc-fql-10", ("distill_weight",), [(300,), (30,), (100,), (300,), (300,), (1,)]),
        ("qam", ("inverse_temperature",), [(1,), (3,), (1,), (1,), (3,), (30,)]),
        ("qam-e", ("inverse_temperature", "edit_scale"), [(1, 0), (3, 0.1), (3, 0.1), (1, 0), (1, 0.1), (0.1, 0.9)]),
        ("qam-f", ("inverse_temperature", "distill_weight"), [(1, 0), (10, 300), (0.3, 30), (1, 300), (3, 0), (3, 3)]),
        ("fedit", ("edit_scale",), [(0.2,), (0.3,), (0.4,), (0.2,), (0.2,), (0.8,)]),
    ],
)
def test_qam_and_its_relatives_have_their_numbers(method, options, values):
    """Ten critics, in the protocol of their own paper; only the family of QAM bounds the gradient."""
    configs = [configure(task, method, preset="qam") for task in (*QAM_TASKS, "puzzle-4x4-100m-task5-sparse")]
    assert [tuple(getattr(c.algo, option) for option in options) for c in configs] == values
    assert {(c.algo.num_critics, c.algo.pessimism, c.algo.horizon) for c in configs} == {(10, 0.5, 5)}
    assert {(c.offline_steps, c.online_steps, c.eval_every, c.eval_episodes, c.protocol) for c in configs} == {
        (10**6, 5 * 10**5, 5 * 10**4, 50, "offline-to-online")
    }
    assert [c.data_order for c in configs] == ["uniform"] * 2 + ["turning-shards"] + ["uniform"] * 2 + ["turning-shards"]
    assert {c.algo.max_grad_norm for c in configs} == {float(method.startswith("qam"))}


def test_any_method_runs_in_qam_s_protocol():
    """With the critics that all have there."""
    assert holds(configure("cube-double-task2", "dfp", preset="qam"), {"algo.num_critics": 10, "algo.pessimism": 0.5})


def test_mvp_with_top_k_is_dfp_on_another_backbone():
    with_top_k, dfp = (configure("cube-double-task2", method, preset="paper") for method in ("mvp-top-k", "dfp"))
    assert with_top_k.algo == dfp.algo


TABLE_7 = ("cube-single-task2", "cube-double-task2", "scene-task2", "puzzle-3x3-task4", "puzzle-4x4-task4")


@pytest.mark.parametrize(
    ("method", "option", "values"),
    [
        ("iql", "inverse_temperature", (1, 0.3, 10, 10, 3)),
        ("rebrac", "actor_penalty", (1, 0.1, 0.1, 0.3, 0.3)),
        ("rebrac", "critic_penalty", (0, 0, 0.01, 0.01, 0.01)),
        ("idql", "num_samples", (32, 32, 32, 32, 32)),
        ("srpo", "q_weight", (0.03, 0.1, 0.1, 0.1, 0.1)),
        ("cac", "q_weight", (0.003, 0.3, 0.3, 0.01, 0.01)),
        ("fawac", "inverse_temperature", (1, 0.3, 0.3, 0.3, 0.3)),
        ("fbrac", "data_weight", (100, 100, 100, 100, 300)),
        ("ifql", "num_samples", (32, 32, 32, 32, 32)),
        ("fql", "distill_weight", (300, 300, 300, 1000, 1000)),
    ],
)
def test_baselines_of_table_7_have_their_numbers(method, option, values):
    """In the offline protocol: evaluated every 100,000 of a million steps, actions one at a time."""
    configs = [configure(task, method, preset="paper", protocol="offline") for task in TABLE_7]
    assert [getattr(c.algo, option) for c in configs] == list(values)
    assert {(c.algo.horizon, c.offline_steps, c.online_steps, c.eval_every) for c in configs} == {(1, 10**6, 0, 10**5)}


def test_table_7_has_its_eleven_methods():
    assert [row.method for row in TABLES["7"].rows] == "bc iql rebrac idql srpo cac fawac fbrac ifql fql dfp".split()
