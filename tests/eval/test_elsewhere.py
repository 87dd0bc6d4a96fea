"""`python -m eval.elsewhere`: a policy that was not trained here, on the suite's episodes."""

from pathlib import Path

import pytest

from eval import elsewhere
from eval.results import record
from tables.__main__ import main as tables

POLICY = """
import numpy as np

def act(obs, rng):
    return rng.uniform(-1, 1, 2)

def chunk(obs, rng):
    return np.full((3, 2), 0.5)

def wide(obs, rng):
    return np.zeros(3)

def far(obs, rng):
    return np.array([0.5, 1.5])

def empty(obs, rng):
    return np.zeros((0, 2))

def nothing(obs, rng):
    return None

def uneven(obs, rng):
    return np.zeros((1 + int(rng.integers(2)), 2))

def faulty(obs, rng):
    raise KeyError("a fault of mine")

class Mine:
    def __init__(self, seed):
        self.seed = seed

    def __call__(self, obs, rng):
        return np.full(2, self.seed / 10)
"""


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`python -m eval.elsewhere ./theirs.py:NAME` on three episodes a seed of a probe; returns its record."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f"theirs_{tmp_path.name}.py"
    file.write_text(POLICY)

    def start(name: str, *options: str) -> record.Run:
        known = set(record.find(Path("runs"))) if Path("runs").exists() else set()
        policy = f"./{file.name}:{name}"
        words = ["elsewhere", policy, "--task", "probe-chain", "--episodes", "3", "--seeds", "0", "1", *options]
        monkeypatch.setattr("sys.argv", words)
        elsewhere.main()
        (made,) = set(record.find(Path("runs"))) - known
        return record.read(made)

    return start


def test_it_leaves_a_record_of_the_same_episodes_however_many_workers(evaluate):
    here, apart = (evaluate("act", "--workers", workers) for workers in ("0", "1"))
    assert here.evaluations == apart.evaluations and here.status == "finished" and list(here.start["files"])
    assert [(e["seed"], e["phase"], len(e["success"])) for e in here.evaluations] == [(0, "online", 3), (1, "online", 3)]


def test_chunks_and_objects_made_for_a_seed_act_too(evaluate):
    chunk, mine = (evaluate(name, "--workers", "0") for name in ("chunk", "Mine"))
    lengths = [length for e in (*chunk.evaluations, *mine.evaluations) for length in e["length"]]
    assert len(lengths) == 12 and min(lengths) > 0


def test_it_meets_the_resets_that_trained_policies_meet(evaluate, tiny):
    _, trained = tiny("--seeds", "0", "1")
    assert evaluate("act", "--workers", "0").start["physics"] == trained.start["physics"]


@pytest.mark.parametrize(
    ("name", "workers", "words"),
    [
        ("wide", "0", "wide: returns shape [3]; needed is [2] or [H, 2]"),
        ("far", "0", "far: returns [0.5 1.5]; actions lie in [-1, 1]"),
        ("empty", "0", "empty: returns shape [0, 2]; needed is [2] or [H, 2]"),
        ("nothing", "0", "nothing: returns shape []; needed is [2] or [H, 2]"),
        ("uneven", "0", "uneven: returns chunks of 1 and of 2 actions; all have as many"),
        ("faulty", "1", "faulty: KeyError: 'a fault of mine' (line "),
        ("nobody", "0", "no function or class 'nobody'; there is act, chunk, wide, far, empty, nothing, uneven, faulty, Mine"),
        ("", "0", "names no function or class; there is act"),
    ],
)
def test_what_is_no_policy_is_refused_and_leaves_nothing(evaluate, name, workers, words):
    with pytest.raises(ValueError) as refusal:
        evaluate(name, "--workers", workers)
    assert words in str(refusal.value) and not Path("runs").exists()


def test_a_file_s_task_is_from_outside_whatever_class_it_is_of(evaluate, tmp_path, capsys):
    task = tmp_path / f"chain_{tmp_path.name}.py"
    made = "Chain('mine', 'chain', 'mine', obs_dim=9, action_dim=2, time_limit=8)"
    task.write_text(f"from envs.suites.probe import Chain\nTASK = {made}\n")
    evaluate("act", "--workers", "0", "--task", f"./{task.name}")
    assert capsys.readouterr().out.endswith("--against runs\n")
    tables(["own"])
    assert f"{task.name}, success rate (%)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--seeds 0 0-1", "seeds 0 0 1: one or more different numbers"),
        ("--protocol offline --phase online", "--phase online: --protocol offline has no online phase"),
    ],
)
def test_what_no_run_could_be_is_refused_and_leaves_nothing(evaluate, options, words):
    with pytest.raises(ValueError, match=words):
        evaluate("act", "--workers", "0", *options.split())
    assert not Path("runs").exists()


def test_tables_lay_it_beside_trained_ones(evaluate, tiny, capsys, tmp_path):
    made = evaluate("act", "--workers", "0")
    _, trained = tiny("--seeds", "0", "1")
    capsys.readouterr()
    tables(["compare", str(made.path), "--against", str(trained.path), "--against-method", "dfp"])
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("theirs")]
    assert "act (elsewhere), probe-chain, online" in row and "DFP, " in row and " 2, 2 " in row
