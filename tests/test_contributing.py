"""CONTRIBUTING.md's examples, as they stand there. Its backbone goes through the contract of all (tests/backbones), its rule
through what tells most of the contract (tests/algos)."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from algos.learner import Learner
from tables import spec
from tests.algos import test_updates
from tests.algos.learners import BACKBONES, PHASES

EXAMPLES = re.findall(r"```python\n(# (\S+)\n.*?)```", (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(), re.DOTALL)
SOURCES = {place: source for source, place in EXAMPLES}


def test_rule_learns_with_a_network_of_its_own(tiny_backbone: Any, random_batch: Any) -> None:
    scope: dict[str, Any] = {"__name__": "contributed"}
    exec(SOURCES["algos/better.py"], scope)
    rule = scope["Better"](critic_width=9, critic_depth=2, horizon=2, batch_size=5, learning_rate=1e-2)
    learner = Learner(rule, tiny_backbone("flow"), 3, 2, (0, 1))
    before = {name: torch.cat([p.flatten() for p in net.values()]) for name, net in learner.params.items()}
    for step in range(5):
        info = learner.update(random_batch(learner, step), learner.draw())
    after = {name: torch.cat([p.flatten() for p in net.values()]) for name, net in learner.params.items()}
    assert before.keys() == {"actor", "critic", "value"} and all((before[name] != after[name]).any() for name in before)
    assert info["better"].shape == (2,) and ((info["better"] >= 0) & (info["better"] <= 1)).all()


@pytest.fixture(scope="module")
def better(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of the rule."""
    path = tmp_path_factory.mktemp("contributed") / "contributed_better.py"
    path.write_text(SOURCES["algos/better.py"])
    return str(path)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("phase", PHASES)
def test_rule_moves_every_network(better: str, tiny_learner: Any, random_batch: Any, backbone: str, phase: Any) -> None:
    test_updates.test_an_update_moves_every_network(tiny_learner, random_batch, better, backbone, phase)


def test_table_is_an_entry() -> None:
    scope = {**vars(spec), "TABLES": {}}
    exec(SOURCES["tables/spec.py"], scope)
    (table,) = scope["TABLES"].values()
    assert [row.label for row in table.rows] == ["FQL", "QC-FQL"]
    assert [column.label for column in table.columns] == ["lift", "can"]
