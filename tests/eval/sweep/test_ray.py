"""Ray on this machine, as two nodes of which one is killed."""

import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from eval.results import record
from eval.sweep.attempt import Outcome
from eval.sweep.claims import Claims

pytest.importorskip("ray")


def test_a_record_comes_home_from_a_machine_that_does_not_see_the_folder(tmp_path):
    from eval.sweep.engines.on_ray import Task

    future: Future = Future()
    future.set_result((Outcome("finished"), {"job/run/record.jsonl": b"theirs", "job/seen.jsonl": b"theirs"}))
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "seen.jsonl").write_bytes(b"ours")
    assert Task(future, tmp_path).result().kind == "finished"
    assert [path.read_bytes() for path in record.find(tmp_path)] == [b"theirs", b"ours"]


def test_a_record_whose_way_home_breaks_off_comes_whole_another_time(tmp_path, monkeypatch):
    from eval.sweep.engines.on_ray import Task

    def break_off(path, content):
        with open(path, "wb") as file:
            file.write(content[:3])
        raise KeyboardInterrupt

    future: Future = Future()
    future.set_result((Outcome("finished"), {"job/run/record.jsonl": b"theirs"}))
    with monkeypatch.context() as dying, pytest.raises(KeyboardInterrupt):
        dying.setattr(Path, "write_bytes", break_off)
        Task(future, tmp_path).result()
    Task(future, tmp_path).result()
    assert (tmp_path / "job" / "run" / "record.jsonl").read_bytes() == b"theirs"


@pytest.mark.torture
def test_runs_of_a_node_that_is_killed_go_on_elsewhere(probes, sweep, tmp_path):
    from ray.cluster_utils import Cluster

    from eval.sweep.engines.on_ray import OnRay

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    lost = cluster.add_node(num_cpus=1)
    engine = OnRay(cluster.address, cpus=1, gpus=0)
    try:
        assert engine.slots == 2
        jobs = probes(4, "offline_steps=1500")

        def kill() -> None:
            while sum(claim.state == "running" for claim in Claims(tmp_path).all()) < 2:
                time.sleep(0.1)
            time.sleep(5)
            cluster.remove_node(lost, allow_graceful=False)

        threading.Thread(target=kill, daemon=True).start()
        one = sweep(jobs, engine)
        one.run()
        assert sum(again for *_, again in one.screen.outcomes) == 1, "one run was on the lost node"
        runs = [record.read(path) for path in record.find(tmp_path)]
        assert [run.status for run in runs] == ["finished"] * 4
    finally:
        engine.close()
        cluster.shutdown()
