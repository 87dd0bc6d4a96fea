"""Slurm as submitit's local executor stands in for it: jobs with a time limit."""

import pytest

from eval.results import record

pytest.importorskip("submitit")
pytestmark = pytest.mark.torture


def test_a_job_that_reaches_its_time_limit_saves_and_is_queued_again(probes, sweep, tmp_path):
    from eval.sweep.engines.on_slurm import OnSlurm

    engine = OnSlurm(tmp_path / ".sweep" / "slurm", {"timeout_min": 1}, cluster="local")  # of which 30 seconds are to save in
    one = sweep(probes(1, "offline_steps=30000", "log_every=1000", "eval_every=10000"), engine)
    assert one.run() is True and not any(again for *_, again in one.screen.outcomes)
    (run,) = [record.read(path) for path in record.find(tmp_path)]
    lines = run.path.read_text().splitlines()
    assert run.status == "finished" and sum('"kind":"resume"' in line for line in lines) >= 1
