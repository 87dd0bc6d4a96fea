"""The algorithms that there are, and their options."""

import dataclasses
from typing import Any

import pytest

from algos.base import Algorithm
from eval.config.config import find_part
from tests.subjects import every

ALGORITHMS = every(Algorithm)


def test_folder_holds_the_algorithms_of_the_study():
    assert {"awac", "bc", "brac", "dfp", "edit", "fql", "iql", "qam", "rebrac", "srpo"} <= set(ALGORITHMS)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_options_are_frozen_and_explained(name: str):
    cls = find_part(Algorithm, name)
    assert all(field.metadata.get("help") for field in dataclasses.fields(cls))
    with pytest.raises(dataclasses.FrozenInstanceError):
        cls().horizon = 2


IMPOSSIBLE: list[dict[str, Any]] = [
    {"horizon": 0},
    {"batch_size": 0},
    {"learning_rate": 0.0},
    {"discount": 0.0},
    {"discount": 1.1},
    {"num_critics": 0},
    {"num_elites": 0},
    {"num_elites": 17, "num_candidates": 16},
    {"best_of": 0},
    {"target_best_of": 0},
    {"expectile": 1.0},
    {"num_samples": 0},
    {"value_samples": -1},
    {"elite_weight": -1.0},
    {"elite_step": -0.1},
    {"data_weight": -1.0},
    {"data_weight": 0.0, "elite_weight": 0.0},
    {"data_weight": 0.0, "q_weight": 0.0},
    {"q_weight": -1.0},
    {"distill_weight": -1.0},
    {"inverse_temperature": -1.0},
    {"actor_penalty": -1.0},
    {"critic_penalty": -1.0},
    {"target_std": -0.2},
    {"target_clip": -0.5},
    {"step": -0.5},
    {"caution": -0.1},
    {"target_samples": 0},
    {"actor_every": 0},
    {"max_grad_norm": -1.0},
    {"edit_scale": -0.1},
]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_impossible_options_are_refused_by_name(name: str):
    cls = find_part(Algorithm, name)
    own = {field.name for field in dataclasses.fields(cls)}
    for options in IMPOSSIBLE:
        if options.keys() <= own:
            with pytest.raises(ValueError, match=rf"algo\.{next(iter(options))} "):
                cls(**options)
