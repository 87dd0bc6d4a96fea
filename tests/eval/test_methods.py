"""The paper's methods, each on a task of either suite, from the command line to the record."""

from collections import defaultdict

import gymnasium
import pytest
import torch

from algos.base import Batch
from algos.learner import Learner
from envs.task import find_task
from eval import run
from eval.config.configure import configure
from eval.config.methods import METHODS
from eval.results.record import find, read
from tables.spec import MAIN

SHORT = """--preset paper --protocol offline-to-online --offline-steps 2 --online-steps 12 --online-warmup 10 --log-every 1
    --eval-episodes 1 --workers 0 --backbone.width 8 --backbone.depth 1 --algo.batch-size 8""".split()


class Kept(gymnasium.Wrapper):
    """An environment with short episodes that waits to be used again when it is closed."""

    def __init__(self, env: gymnasium.Env, waiting: list["Kept"]):
        super().__init__(gymnasium.wrappers.TimeLimit(env, 20))
        self.waiting = waiting

    def close(self) -> None:
        self.waiting.append(self)


@pytest.fixture(scope="module")
def waiting():
    """Environments by task: to make one, and to reset it for the first time, takes longer than a short run."""
    return defaultdict(list)


FIRST = {(own.algo, own.backbone): name for name, own in reversed(METHODS.items())}.values()
ON_BOTH = [*((name, "cube-single-task2") for name in METHODS), *((name, "lift") for name in METHODS if name in FIRST)]


@pytest.mark.parametrize(("method", "task"), ON_BOTH)  # on lift once for each pair of algorithm and backbone
def test_every_method_runs_on_both_suites(method, task, waiting, request, tmp_path, monkeypatch):
    """Real data, real simulators: finite losses in both phases, an evaluation at the end of each, rewards of the task."""
    data = request.getfixturevalue("demonstrated" if task == "lift" else "generated")
    kind, make_env = type(find_task(task)), type(find_task(task)).make_env

    def make(task, timing="post"):
        kept = waiting[task, timing]
        return kept.pop() if kept else Kept(make_env(task, timing), kept)

    monkeypatch.setattr(kind, "make_env", make)
    places = ["--data", str(data), "--runs", str(tmp_path)]
    critic = [] if method == "bc" else ["--algo.critic-width", "8"]
    assert run.main(["--method", method, "--task", task, *SHORT, *critic, *places]) == 0
    record = read(find(tmp_path)[0])
    assert record.status == "finished" and record.start["config"]["method"] == method
    assert [(e["phase"], e["step"]) for e in record.evaluations] == [("offline", 2), ("online", 12)]
    assert [(m["phase"], m["step"]) for m in record.metrics] == [("offline", 1), ("offline", 2), ("online", 11), ("online", 12)]
    assert all(-1 <= e["return"][0] / e["length"][0] <= 0 for e in record.evaluations)


ONE_OF_EACH_DATASET = {find_task(column.tasks[0]).dataset: column.tasks[0] for column in MAIN}  # sizes and values go by it


@pytest.mark.parametrize("task", ONE_OF_EACH_DATASET.values())
@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_on_every_dataset_of_table_1(method, task):
    """The `paper` configuration learns from chunks of the task's sizes, in both phases (here with small networks)."""
    small = {"backbone.width": 8, "backbone.depth": 1, "algo.batch_size": 4} | (
        {} if method == "bc" else {"algo.critic_width": 8}
    )
    config = configure(task, method, preset="paper", **small)
    assert config.protocol == "offline-to-online" and set(config.changes) == set(small)
    learner = Learner(config.algo, config.backbone, config.task.obs_dim, config.task.action_dim, [0])
    obs, steps = torch.zeros(1, 4, config.task.obs_dim), torch.ones(1, 4, config.algo.horizon)
    action = torch.zeros(1, 4, learner.chunk_dim)
    batch = Batch(obs, action, -steps, steps, obs, action)
    for phase in ("offline", "online"):
        learner.begin(phase)
        assert learner.update(batch, learner.draw())["loss"].isfinite().all()
