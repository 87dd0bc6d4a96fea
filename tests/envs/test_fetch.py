import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from envs.task import find_task

TASK = find_task("cube-single-task2")
NAME = "cube-single-play-v0"


@pytest.fixture
def served(generated, tmp_path, serve):
    """A folder with the dataset's files and the address at which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    for suffix in ("", "-val"):
        shutil.copy(generated / f"{NAME}{suffix}.npz", folder)
    return folder, serve(folder)


def names(folder):
    return sorted(path.name for path in folder.glob("*"))


def test_second_mirror_is_used_when_the_first_is_dead(served, dead, tmp_path):
    source, mirror = served
    path = TASK.fetch(tmp_path / "data", [dead, mirror])
    assert path.read_bytes() == (source / path.name).read_bytes()
    assert names(tmp_path / "data") == [f"{NAME}-val.npz", f"{NAME}.json", f"{NAME}.npz"]
    origin = TASK.load_dataset([tmp_path / "data"]).origin
    assert origin["source"] == "fetched" and origin["mirror"] == mirror and origin["rows"] == 400


def test_present_data_are_not_downloaded_again(served, dead, tmp_path):
    path = TASK.fetch(tmp_path, [served[1]])
    assert TASK.fetch(tmp_path, [dead]) == path


def test_download_that_differs_from_the_first_is_refused(served, tmp_path):
    source, mirror = served
    TASK.fetch(tmp_path / "data", [mirror]).unlink()
    shutil.copy(source / f"{NAME}-val.npz", source / f"{NAME}.npz")
    with pytest.raises(ConnectionError, match="hash"):
        TASK.fetch(tmp_path / "data", [mirror])
    assert names(tmp_path / "data") == [f"{NAME}-val.npz", f"{NAME}.json"]


def test_file_changed_on_disk_is_refused(served, tmp_path):
    path = TASK.fetch(tmp_path, [served[1]])
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ValueError, match="not the file that was fetched first"):
        TASK.fetch(tmp_path, [served[1]])


def test_what_is_no_dataset_is_refused_and_nothing_stays(served, tmp_path):
    source, mirror = served
    (source / f"{NAME}.npz").write_text("<html>The server is down for maintenance.</html>")
    with pytest.raises(ConnectionError, match=r"truncated, locked or not an .npz file"):
        TASK.fetch(tmp_path / "data", [mirror])
    assert names(tmp_path / "data") == []


def test_no_answer_names_the_alternative_and_nothing_stays(served, dead, tmp_path):
    (served[0] / f"{NAME}.npz").unlink()
    with pytest.raises(ConnectionError) as caught:
        TASK.fetch(tmp_path / "data", [dead, served[1]])
    message = str(caught.value)
    assert "HTTP 404" in message and "`python -m envs.generate cube-single-task2" in message and "\n" not in message
    assert names(tmp_path / "data") == []


def test_two_at_once_do_not_disturb_each_other(served, tmp_path):
    source, mirror = served
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: TASK.fetch(tmp_path / "data", [mirror]), range(2)))
    assert paths[0].read_bytes() == (source / f"{NAME}.npz").read_bytes()
    assert names(tmp_path / "data") == [f"{NAME}-val.npz", f"{NAME}.json", f"{NAME}.npz"]
    facts = json.loads((tmp_path / "data" / f"{NAME}.json").read_text())
    assert facts["source"] == "fetched"


def test_generated_data_are_not_taken_for_the_official_ones(generated, dead):
    with pytest.raises(FileExistsError, match="generated data has this name"):
        TASK.fetch(generated, [dead])


def test_a_task_says_what_it_cannot_do(tmp_path):
    probe = find_task("probe-chain")
    for order in (probe.fetch, probe.generate, probe.unpack, find_task("lift").unpack):
        with pytest.raises(ValueError, match=r"^(probe-chain|lift): .*there is nothing to (fetch|generate|unpack)$"):
            order(tmp_path)
    assert probe.scripted_episode() is None and not list(tmp_path.iterdir())


def test_what_takes_hours_is_not_downloaded_unasked(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    quadruple = find_task("cube-quadruple-task2")
    monkeypatch.setattr(type(quadruple), "fetch", lambda *_: pytest.fail("it was downloaded"))
    with pytest.raises(FileNotFoundError, match=r"python -m envs\.fetch cube-quadruple-task2"):
        quadruple.find_dataset(tmp_path / "data")


def test_a_sharded_dataset_is_fetched_file_by_file_from_whichever_mirror_has_it(generated, tmp_path, serve, dead):
    task = replace(TASK, dataset=NAME.replace("-v0", "-100m-v0"), shards=2)
    there = tmp_path / "served" / task.dataset
    there.mkdir(parents=True)
    for shard in ("000", "001"):
        shutil.copy(generated / f"{NAME}.npz", there / f"{NAME}-{shard}.npz")
    folder = task.fetch(tmp_path / "data", [dead, mirror := serve(tmp_path / "served")])
    assert names(folder) == [f"{NAME}-{shard}.{end}" for shard in ("000", "001") for end in ("json", "npz")]
    (folder / f"{NAME}-001.npz").unlink()
    kept = (folder / f"{NAME}-000.npz").stat().st_mtime_ns
    task.fetch(tmp_path / "data", [mirror])
    assert len(names(folder)) == 4 and (folder / f"{NAME}-000.npz").stat().st_mtime_ns == kept, "it goes on where it stopped"
    with pytest.raises(ConnectionError, match="HTTP 404"):
        replace(task, shards=3).fetch(tmp_path / "data", [mirror])
    assert len(names(folder)) == 4


def test_a_shard_changed_on_disk_is_refused_before_a_mirror_is_asked(served, tmp_path, dead):
    task = replace(TASK, dataset=NAME.replace("-v0", "-100m-v0"), shards=1)
    folder = tmp_path / task.dataset
    folder.mkdir()
    (folder / f"{NAME}-000.npz").write_bytes(b"x")
    (folder / f"{NAME}-000.json").write_text(json.dumps({"sha256": {f"{NAME}-000.npz": "0"}}))
    with pytest.raises(ValueError, match=r"-000.npz: not the file that was fetched first"):
        task.fetch(tmp_path, [dead])


def test_ogbench_s_data_are_looked_for_in_more_than_one_place():
    from envs.suites.ogbench import MIRRORS

    assert len({mirror.split("/")[2] for mirror in MIRRORS}) == 3
