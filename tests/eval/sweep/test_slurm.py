"""Slurm as submitit's local executor stands in for it: jobs with a time limit."""

import json
import threading
import time

import pytest

from eval.results import record
from eval.sweep.drive import ask_to_stop

pytest.importorskip("submitit")


def test_what_fails_in_a_job_is_said_as_it_is():
    from eval.sweep.engines.on_slurm import Queued

    def attempt(over):
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        Queued(attempt)()


def test_a_job_whose_time_is_over_is_queued_again_when_its_run_has_saved():
    from eval.sweep.engines.on_slurm import Queued

    saved = []

    def attempt(over):
        while not over():
            time.sleep(0.01)
        saved.append(True)

    queued = Queued(attempt)
    threading.Thread(target=queued, daemon=True).start()
    while not hasattr(queued, "outcome"):
        time.sleep(0.01)
    assert queued.checkpoint() and saved


@pytest.mark.torture
def test_a_job_that_reaches_its_time_limit_saves_and_is_queued_again(probes, sweep, tmp_path):
    from eval.sweep.engines.on_slurm import OnSlurm

    folder = tmp_path / ".sweep" / "slurm"
    one = sweep(probes(1, "offline_steps=1000000"), OnSlurm(folder, {"timeout_min": 1}, cluster="local"))

    def lines() -> list[dict]:
        return [json.loads(line) for path in record.find(tmp_path) for line in path.read_bytes().split(b"\n")[:-1]]

    def stop() -> None:
        while sum(line["kind"] == "resume" for line in lines()) < 2 or lines()[-1]["kind"] == "resume":
            time.sleep(0.5)
        one.stop = True
        ask_to_stop(tmp_path, "one")

    threading.Thread(target=stop, daemon=True).start()
    one.run()
    assert one.screen.outcomes == [] and one.waiting
    assert len([*folder.glob("*_submitted.pkl")]) == 1, "one job, which was queued again"
    assert [line["status"] for line in lines() if line["kind"] == "end"] == ["stopped"] * 3
    steps = [line["step"] for line in lines() if line["kind"] == "metrics"]
    assert steps == [*range(2, steps[-1] + 2, 2)], "each time it went on where it had stopped"
