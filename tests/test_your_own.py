"""envs/YOUR_OWN.md: what it says to write and to run, as it stands there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from envs.task import find_task
from eval import elsewhere
from eval.config.command_line import parse
from eval.results import record

TEXT = (Path(__file__).parents[1] / "envs" / "YOUR_OWN.md").read_text()
SOURCES = {place: source for source, place in re.findall(r"```python\n(# (\S+)\n.*?)```", TEXT, re.DOTALL)}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_collector_s_data_are_a_task_s():
    exec(SOURCES["collect.py"].replace("range(60)", "range(3)"), {})
    data = find_task("gym:InvertedPendulum-v5").read_dataset("pole.npz")
    assert data.origin["episodes"] == 3 and np.abs(data.action).max() <= 1


def test_the_file_of_five_lines_is_a_task(tmp_path):
    path = tmp_path / "page_task.py"
    path.write_text(SOURCES["mine.py"])
    task = find_task(str(path))
    assert (task.obs_dim, task.success_return, task.dataset) == (4, 200, "pole.npz")


def test_the_policy_trained_elsewhere_is_one(monkeypatch):
    Path("page_policy.py").write_text(SOURCES["theirs.py"])
    exec(SOURCES["collect.py"].replace("range(60)", "range(2)"), {})
    (task,) = re.findall(r"^export TASK=(.*)$", TEXT, re.M)
    words = f"elsewhere ./page_policy.py:act --task {task} --dataset pole.npz --episodes 1 --workers 0".split()
    monkeypatch.setattr("sys.argv", words)
    elsewhere.main()
    (made,) = record.find(Path("runs"))
    assert record.read(made).evaluations[0]["success"] == [1], "it balances the pole"


def test_the_page_s_commands_parse():
    commands = re.findall(r"^python -m eval\.run (.*?)(?: --help)?$", TEXT, re.M)
    (task,) = re.findall(r"^export TASK=(.*)$", TEXT, re.M)
    mine = [shlex.split(words.replace("$TASK", task)) for words in commands if "./nets.py" not in words]
    assert [parse(words)[1].method for words in mine] == ["iql", "fql", "dfp", "fql"]


def test_the_page_s_names_are_tasks():
    names = [name for name in re.findall(r"`((?:gym|data):[^` ]+)`", TEXT) if "my_package" not in name]
    assert len(names) == 4 and all(find_task(name).name == name for name in names)
