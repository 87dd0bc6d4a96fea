"""Configurations: layers of values, and what a record keeps of them."""

import json
from pathlib import Path

import pytest

from envs.suites import TASKS
from eval.config.command_line import parse
from eval.config.config import Config
from eval.config.configure import configure
from eval.config.families import asked_by, nearest
from eval.config.methods import METHODS
from eval.config.presets import PRESETS
from eval.results.record import find

ROOT = Path(__file__).parents[2]
OPTIONAL = """
from dataclasses import dataclass
from backbones.flow import Flow

@dataclass(frozen=True)
class Mine(Flow):
    rank: HINT = None
"""

ONE_OF_A_KIND = {
    str([asked_by(task.dataset), *(method.on(task.dataset, "offline-to-online") for method in METHODS.values())]): name
    for name, task in TASKS.items()
}.values()
"""A task for each set of values that methods have."""


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("method", METHODS)
def test_json_gives_the_configuration_back(method, preset):
    online_alone = METHODS[method].values.get("offline_steps") == 0
    for task in ONE_OF_A_KIND:
        for protocol in ("offline-to-online",) if online_alone else ("offline-to-online", "offline"):
            config = configure(task, method, preset=preset, protocol=protocol)
            again = Config.from_json(json.loads(json.dumps(config.to_json())))
            assert again == config and again.digest() == config.digest()


def test_json_gives_changes_of_every_type_back():
    changes = {"backbone.temperatures": (0.1, 1), "algo.elite_weight": 2, "seeds": (3, 4), "data_order": "shards"}
    config = configure(**changes)
    assert Config.from_json(config.to_json()) == config
    assert config.changes == {name: value for name, value in changes.items() if name != "seeds"}


@pytest.mark.parametrize("hint", ["int | None", "None | int"])
def test_an_option_of_one_s_own_may_be_none(tmp_path, hint):
    path = tmp_path / f"nets_{tmp_path.name}.py"
    path.write_text(OPTIONAL.replace("HINT", hint))
    own = ["--task", "probe-chain", "--backbone", str(path)]
    for words, value in ([], None), (["--backbone.rank", "3"], 3):
        _, config = parse([*own, *words])
        assert config.backbone.rank == value and Config.from_json(config.to_json()) == config
    plain = config.to_json()
    plain["backbone"]["rank"] = "low"
    with pytest.raises(ValueError, match=r"backbone.rank is 'low', needed is .*None"):
        Config.from_json(plain)


@pytest.mark.parametrize(
    ("part", "field", "value", "words"),
    [
        ("algo", "num_elits", 4, "unknown 'algo.num_elits'; there are"),
        ("algo", "num_elites", None, "algo.num_elites is None, needed is int"),
        ("algo", "num_elites", 99, "K must lie in 1..N"),
        ("algo", "horizon", True, "algo.horizon is True, needed is int"),
        ("algo", "name", "sarsa", "unknown algorithm 'sarsa'"),
        ("algo", "ranking", "float8", "algo.ranking is 'float8'"),
        ("backbone", "temperatures", [0.1, "h"], "backbone.temperatures is 'h', needed is float"),
        ("backbone", "width", 0, "backbone.width 0: at least 1"),
        ("backbone", "output_gain", float("nan"), "must be a finite number"),
        ("", "task", "cube-sngle-task2", "did you mean cube-single-task2"),
        ("", "protocol", "online", "protocol is 'online'"),
        ("", "backbone", None, "unknown backbone ''"),
    ],
)
def test_json_that_is_no_configuration_is_refused(part, field, value, words):
    plain = configure().to_json()
    (plain[part] if part else plain)[field] = value
    with pytest.raises(ValueError, match=r"^[^\n]+$") as refusal:
        Config.from_json(plain)
    assert words in str(refusal.value)


@pytest.mark.parametrize(("part", "field"), [("algo", "horizon"), ("backbone", "width"), ("", "seeds")])
def test_a_missing_field_is_named(part, field):
    plain = configure().to_json()
    del (plain[part] if part else plain)[field]
    with pytest.raises(ValueError, match=f"^configuration: no '{part}.?{field}'$"):
        Config.from_json(plain)


def test_a_field_that_came_later_may_be_missing():
    config = configure(preset="paper")
    plain = {name: value for name, value in config.to_json().items() if name != "online_share"}
    assert Config.from_json(plain) == config


def test_every_committed_record_s_configuration_is_read():
    for path in find(ROOT / "records"):
        with open(path, encoding="utf-8") as file:
            plain = json.loads(file.readline())["config"]
        again = Config.from_json(plain).to_json()
        for part in ("algo", "backbone"):
            assert plain.pop(part).items() <= again[part].items(), path
        assert plain.items() <= again.items(), path


def test_an_unknown_option_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"^unknown option 'algo.num_elits'; did you mean algo.num_elites"):
        configure(**{"algo.num_elits": 3})


def test_an_algorithm_with_a_backbone_is_a_method():
    assert configure(algo="dfp", backbone="drifting").to_json() == configure(method="dfp").to_json()
    assert configure(algo="bc", backbone="flow").method == "bc-flow"


def test_changes_are_what_differs_from_the_preset():
    changed = configure(method="dfp", **{"algo.num_elites": 2, "algo.elite_weight": 0.5, "offline_steps": 3})
    assert changed.changes == {"algo.num_elites": 2, "offline_steps": 3}
    assert configure(seeds=(7,), eval_every=5).changes == {}


def test_one_file_of_data_has_one_name():
    assert configure(dataset="./pend.npz") == configure(dataset="pend.npz") != configure(dataset="minari:pend")


def test_the_offline_protocol_has_no_chunks_and_no_best_of_n():
    for preset in PRESETS:
        config = configure("cube-double-task2", preset=preset, protocol="offline")
        assert (config.algo.horizon, config.algo.best_of, config.algo.target_best_of, config.online_steps) == (1, 1, 1, 0)


def test_a_dataset_without_numbers_of_its_own_takes_those_of_the_nearest():
    datasets = [task.dataset for task in TASKS.values() if task.dataset.endswith("-v0")]
    tuned = {nearest(dataset) for dataset in datasets}
    assert {nearest(dataset) for dataset in tuned} == tuned <= set(datasets)
    assert nearest("puzzle-4x6-noisy-v0") == nearest("puzzle-4x4-play-100m-v0") == "puzzle-4x4-play-v0"
    assert nearest("antmaze-giant-stitch-v0") == "antmaze-giant-navigate-v0" and nearest("lift-mh") == "lift-mh"


@pytest.mark.parametrize(
    ("task", "discount", "weight", "pessimism"),
    [
        ("antmaze-large-navigate-task1", 0.99, 10, 1),
        ("antmaze-giant-navigate-task1", 0.995, 10, 1),
        ("humanoidmaze-medium-navigate-task3", 0.995, 30, 0),
        ("humanoidmaze-giant-stitch-task3", 0.995, 30, 0),
        ("antsoccer-arena-navigate-task4", 0.995, 10, 0),
        ("puzzle-4x4-task4-sparse", 0.99, 1000, 0),
        ("d4rl-pen-expert", 0.99, 3_000, 1),
        ("d4rl-hammer-cloned", 0.99, 10_000, 1),
        ("d4rl-antmaze-large-play", 0.99, 3, 0),
    ],
)
def test_mazes_and_d4rl_have_fqls_published_values(task, discount, weight, pessimism):
    algo = configure(task, "fql", preset="paper", protocol="offline").algo
    assert (algo.discount, algo.distill_weight, algo.pessimism) == (discount, weight, pessimism)
    online = {"humanoidmaze-medium-navigate-task3": 100, "antsoccer-arena-navigate-task4": 30, "d4rl-hammer-cloned": 1000}
    assert configure(task, "fql", preset="paper").algo.distill_weight == online.get(task, weight)
    assert configure(task, backbone="shortcut", preset="paper").algo.discount == discount, "the task asks it of every method"


def test_a_hundred_million_rows_come_shard_by_shard():
    for task in ("cube-quadruple-task2", "cube-octuple-task1", "puzzle-4x4-100m-task4-sparse"):
        assert configure(task, preset="paper").data_order == "shards"
