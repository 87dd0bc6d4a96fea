"""Short runs of the command line on tasks that need no simulator."""

from pathlib import Path

import pytest

from algos.learner import Learner
from eval import run
from eval.config.configure import configure
from eval.results import policy, record

TINY = """--offline-steps 6 --online-steps 8 --online-warmup 2 --eval-every 4 --eval-episodes 3 --log-every 2 --workers 0
    --backbone.width 16 --backbone.depth 1 --algo.batch-size 16 --algo.horizon 2 --task probe-chain --preset quick""".split()


@pytest.fixture
def tiny_options() -> list[str]:
    """The options of a short run."""
    return TINY


@pytest.fixture
def tiny(tmp_path: Path):
    """Runs `python -m eval.run` with few steps, small networks and the given further options; returns (exit code, record)."""

    def start(*options: str) -> tuple[int, record.Run]:
        folder = tmp_path / "runs"
        known = set(record.find(folder)) if folder.exists() else set()
        code = run.main([*TINY, "--runs", str(folder), *options])
        new = set(record.find(folder)) - known or {max(known, key=lambda path: path.stat().st_mtime_ns)}
        return code, record.read(new.pop())

    return start


@pytest.fixture
def kept_policy(tmp_path: Path):
    """Writes the file of an untrained policy for a task; returns its path. Four recorded episodes, every second a success."""

    def write(task: str, **changes) -> str:
        sizes = {"backbone.width": 11, "algo.horizon": 1 if "bandit" in task else 5}
        sizes |= {"algo.best_of": 3} if changes.get("algo", "dfp") == "dfp" else {}
        config = configure(task, **sizes | changes)
        actor = Learner(config.algo, config.backbone, config.task.obs_dim, config.task.action_dim, (0,)).actor(0).snapshot()
        outcome = {"success": [1, 0, 1, 0], "return": [0.0, -1.0, 0.0, -1.0], "length": [7, 12, 7, 12]}
        path = tmp_path / task / "policies" / "offline-1-seed0.safetensors"
        run = {"kind": "start", "created": "2026-01-01", "config": config.to_json()}
        policy.write(path, actor, run, {"seed": 0, "phase": "offline", "step": 1, **outcome})
        return str(path)

    return write


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Runs a command that must be refused with exit code 2, one line and nothing left behind; returns the line."""

    def start(*options: str, main=run.main) -> str:
        before = sorted(tmp_path.rglob("*"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main([*options])
        assert exit.value.code == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("error: ")
        assert sorted(tmp_path.rglob("*")) == before, "a refused command leaves nothing behind"
        return line

    return start
