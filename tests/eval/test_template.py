"""What `python -m eval.template` prints runs as it is."""

import runpy

import numpy as np
import pytest

from eval import template


@pytest.fixture
def mine(tmp_path, capsys, monkeypatch):
    """Writes the template of a kind into a file of another name; returns its path."""

    def write(kind: str) -> str:
        monkeypatch.setattr("sys.argv", ["template", kind])
        capsys.readouterr()
        template.main()
        path = tmp_path / f"my_{kind}_file.py"
        path.write_text(capsys.readouterr().out)
        return str(path)

    return write


def test_the_task_makes_its_data_and_learns_from_them(mine, tiny, tmp_path):
    task = mine("task")
    runpy.run_path(task, run_name="__main__")
    (tmp_path / "mine.npz").rename(tmp_path / "other.npz")
    few = ("--eval-every", "9", "--eval-episodes", "1", "--algo", "bc", "--backbone", "deterministic")
    code, made = tiny("--task", task, "--dataset", str(tmp_path / "other.npz"), *few)
    assert code == 0 and made.metrics and all(set(e["success"]) <= {0, 1} and "score" not in e for e in made.evaluations)
    with np.load(tmp_path / "other.npz") as rows:
        assert made.start["dataset"]["episodes"] == (rows["terminals"] | rows["timeouts"]).sum() == 200
        assert 0.3 < rows["terminals"].sum() / 200 < 1, "of mixed quality"


@pytest.mark.parametrize(("kind", "others"), [("backbone", ("--algo", "dfp")), ("algo", ("--backbone", "flow"))])
def test_the_backbone_and_the_algorithm_train(mine, tiny, kind, others):
    code, made = tiny(f"--{kind}", mine(kind), *others)
    assert code == 0 and made.status == "finished"
    assert {"backbone": "mine_error", "algo": "better"}[kind] in made.metrics[0]["values"]
