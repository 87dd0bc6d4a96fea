"""Processes killed with SIGKILL at random moments: files are whole or absent, and a run that goes on shows nothing of it.

A few kills each here; `make torture` has fifty of a training run, and more of the rest.
"""

import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.utils._pytree import tree_flatten

from envs.files.mapped import open_columns, unpacked_folder
from envs.files.sidecar import origin_of
from envs.task import find_task
from eval.results import record

LONG = pytest.mark.torture
ROOT = Path(__file__).parents[2]
RUN = """--task probe-chain --offline-steps 40 --online-steps 40 --online-warmup 5 --eval-every 20 --eval-episodes 12
    --log-every 5 --seeds 0 1 --backbone.width 16 --backbone.depth 1 --algo.batch-size 16 --algo.horizon 2
    --algo.critic-width 16""".split()


class Nursery:
    """Processes that begin at once, as their modules are imported once."""

    def __init__(self, log: Path, *modules: str):
        command = [sys.executable, str(Path(__file__).with_name("nursery.py")), *modules]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "MPLBACKEND": "agg"}
        with open(log, "wb") as said:
            self.parent = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, bufsize=0, env=environment, cwd=ROOT
            )
        assert self._read() == b"ready"

    def live(self, *command: object, kill: Callable[[float], bool] = lambda age: False) -> tuple[int, float]:
        """Runs a module with arguments until it ends, or until `kill` of its age says so: its exit code and its age."""
        self.parent.stdin.write(json.dumps([str(word) for word in command]).encode() + b"\n")
        process, born = int(self._read()), time.monotonic()
        while not select.select([self.parent.stdout], [], [], 0.001)[0]:
            if kill(time.monotonic() - born):
                os.kill(process, signal.SIGKILL)
                break
        return int(self._read()), time.monotonic() - born

    def close(self) -> None:
        self.parent.stdin.close()
        self.parent.wait()
        self.parent.stdout.close()

    def _read(self) -> bytes:
        return self.parent.stdout.readline().strip()


@pytest.fixture
def nursery(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path / "said", *request.param)
    yield nursery
    nursery.close()


@pytest.fixture
def chance() -> random.Random:
    return random.Random(0)


@pytest.mark.parametrize("nursery", [["eval.run"]], indirect=True)
@pytest.mark.parametrize(
    ("workers", "kills"),
    [(0, 3), pytest.param(0, 50, marks=LONG), pytest.param(1, 10, marks=LONG)],
    ids=["briefly", "long", "with processes of its own"],
)
def test_a_run_killed_again_and_again_equals_one_left_alone(nursery, chance, tmp_path, workers, kills):
    def run(runs: Path, kill: Callable[[float], bool] = lambda age: False) -> int:
        resume = ["--resume"] * any(runs.glob("*/record.jsonl"))
        return nursery.live("eval.run", *RUN, "--workers", workers, "--runs", runs, *resume, kill=kill)[0]

    assert run(tmp_path / "alone") == 0
    alone, hit = outcome(tmp_path / "alone"), Counter()
    while hit.total() < kills:
        runs, code = tmp_path / f"killed {hit.total()}", None
        while code != 0:
            code = run(runs, doom(runs, chance) if hit.total() < kills else lambda age: False)
            assert code in (0, -signal.SIGKILL), (tmp_path / "said").read_text()
            if code:
                hit[place(runs)] += 1
        assert outcome(runs) == alone
        (folder,) = {path.parent for path in runs.glob("*/record.jsonl")}
        assert sorted(os.listdir(folder)) == ["checkpoint.pt", "offline.pt", "policies", "record.jsonl"]
    print(f"{workers} workers, killed {hit.total()} times: {dict(hit)}")


def doom(runs: Path, chance: random.Random) -> Callable[[float], bool]:
    """When to kill a run: a moment after so many more lines of its record, or in the checkpoint that follows them."""

    def lines() -> int:
        return sum(path.read_bytes().count(b"\n") for path in runs.glob("*/record.jsonl"))

    due, saving, wait, since = lines() + chance.randint(0, 12), chance.random() < 0.25, chance.uniform(0, 0.05), []

    def doomed(age: float) -> bool:
        if not since and lines() >= due:
            since.append(age)
        return bool(since) and (any(runs.glob("*/.checkpoint.*")) if saving else age >= since[0] + wait)

    return doomed


def place(runs: Path) -> str:
    """What a killed run was doing, by what it left."""
    found = list(runs.glob("*/record.jsonl"))
    if not found:
        return "before its record"
    if any(runs.glob("*/.checkpoint.*")):
        return "saving"
    run = record.read(found[0])
    if not run.metrics:
        return "before its first line of metrics"
    phase, step = run.metrics[-1]["phase"], run.metrics[-1]["step"]
    evaluated = any((e["phase"], e["step"], e["seed"]) == (phase, step, 1) for e in run.evaluations)
    return "in evaluation" if step % 20 == 0 and not evaluated else phase


def outcome(runs: Path) -> tuple:
    """What a reader gets of the one run in a folder: evaluations, metrics, all that training came to, policies."""
    (path,) = runs.glob("*/record.jsonl")
    run, state = record.read(path), torch.load(path.with_name("checkpoint.pt"), weights_only=True)
    assert run.status == "finished"
    trained = state["learner"], state["explorers"], state["done"]
    policies = {kept.name: in_bytes(load_file(kept)) for kept in path.parent.glob("policies/*")}
    return run.evaluations, run.metrics, in_bytes(trained), policies


def in_bytes(tree: object) -> tuple:
    """A tree's leaves, tensors as their bytes, and its shape."""
    leaves, shape = tree_flatten(tree)
    return [leaf.numpy().tobytes() if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves], shape


def killed(kills: int, nursery: Nursery, chance: random.Random, folder: Path, *command: object) -> Iterator[None]:
    """A command that is left alone, then killed again and again, at any moment and as it writes into `folder`, then left alone
    once more; yields after each."""
    code, whole = nursery.live(*command)
    assert code == 0
    yield
    for _ in range(kills):
        moment, writing = chance.uniform(0, whole), chance.random() < 0.5

        def doomed(age: float, moment: float = moment, writing: bool = writing) -> bool:
            return any(folder.glob("**/.*.writing-*")) if writing else age >= moment

        code, _ = nursery.live(*command, kill=doomed)
        assert code in (0, -signal.SIGKILL)
        yield
    assert nursery.live(*command)[0] == 0
    assert not list(folder.rglob(".*")), "litter"
    yield


@pytest.mark.parametrize("nursery", [["tables", "tables.report"]], indirect=True)
@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("report quick --out {}", "report.html"),
        ("figure curves --out {}", "curves.png"),
        ("quick --into {}", "document.md"),
    ],
    ids=["report", "figure", "document"],
)
@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=LONG)], ids=["briefly", "long"])
def test_what_tables_write_is_the_old_or_the_new(nursery, chance, tmp_path, command, name, kills):
    folder, old = tmp_path / "out", "<!-- table: quick -->\nold\n<!-- end -->\n"
    folder.mkdir()
    path = folder / name
    path.write_text(old)
    words = f"{command} --preset quick --runs {ROOT / 'records/quick/lift-dfp-seed0.jsonl'}".format(path).split()
    found = set()
    for _ in killed(kills, nursery, chance, folder, "tables", *words):
        found.add(path.read_bytes())
        path.write_text(old)
    assert len(found - {old.encode()}) == 1


@pytest.mark.parametrize("nursery", [["envs.unpack", "ogbench"]], indirect=True)
@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=LONG)], ids=["briefly", "long"])
def test_unpacked_data_are_whole_or_absent(nursery, chance, tmp_path, generated, kills):
    folder = tmp_path / "data"
    shutil.copytree(generated, folder)
    task = find_task("cube-single-task2")
    target = unpacked_folder(folder, task.dataset)
    for _ in killed(kills, nursery, chance, folder, "envs.unpack", task.name, "--data", folder):
        if (target / "index.json").exists():
            open_columns(target, task.shapes, check=True)
            shutil.rmtree(target)
    assert {path.name for path in folder.iterdir()} == {path.name for path in generated.iterdir()}


@LONG
@pytest.mark.parametrize("nursery", [["envs.generate", "ogbench"]], indirect=True)
def test_generated_data_are_whole_or_absent(nursery, chance, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "cube-single-play-v0.npz"
    found = set()
    command = "envs.generate", "cube-single-task2", "--rows", "1", "--workers", "1", "--data", folder
    for _ in killed(10, nursery, chance, folder, *command):
        if path.exists():
            found.add(origin_of(path)["sha256"])
        for left in folder.glob("cube*"):
            left.unlink()
    assert len(found) == 1
