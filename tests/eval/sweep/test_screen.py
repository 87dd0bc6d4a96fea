"""What a sweep says, in a terminal and without one, and from elsewhere."""

import json
import sys
from pathlib import Path

import pytest

from eval.sweep.attempt import Job, Outcome
from eval.sweep.claims import FOLDER, Claims, identity
from eval.sweep.progress import progress
from eval.sweep.screen import Screen
from eval.sweep.status import status, write_plan

JOBS = [
    Job((), (i,), (f"unit-{i}",), "dfp", "lift", "DFP, num_elites 2", hours=hours) for i, hours in enumerate((2.0, 2.0, None))
]


@pytest.fixture
def under_way(tmp_path):
    """One run has finished in an hour, where two were expected; another has a record."""
    claims = Claims(tmp_path)
    facts = [{"job": str(job), "folder": job.folder, "owner": identity(1)} for job in JOBS]
    claims.take(["unit-0"], bool, facts[0] | {"since": 0.0}).say(state="finished", ended=3600.0)
    hold = claims.take(["unit-1"], bool, facts[1] | {"since": 0.0})
    folder = tmp_path / JOBS[1].folder / "run"
    folder.mkdir(parents=True)
    lines = [
        {"kind": "evaluation", "seed": 1, "phase": "offline", "step": 5, "success": [1, 0, 1, 1]},
        {"step": 7, "phase": "offline"},
    ]
    (folder / "record.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return hold


def test_in_a_terminal_a_bar_and_a_line_for_each_run_under_way(under_way, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    screen = Screen(JOBS, tmp_path, slots=1)
    screen.ended(JOBS[0], Outcome("finished"), False)
    monkeypatch.setattr("eval.sweep.screen.time.time", lambda: 1800.0)
    screen.look([JOBS[1]], [JOBS[2]], [])
    screen.ended(JOBS[2], Outcome("died", "ended by SIGKILL"), True)
    screen.close()
    text = capsys.readouterr().err
    assert "1 of 3 runs, 1.5 h of 3.0 h spent, 1.5 h left" in text, "everything takes half of what was expected"
    assert "  DFP, num_elites 2 lift seed 1: offline step 7, success 75 %" in text
    assert "DFP, num_elites 2 lift seed 2: died, ended by SIGKILL; it is taken up again" in text


def test_without_a_terminal_a_line_for_each_thing_that_happens(under_way, tmp_path, capsys):
    screen = Screen(JOBS, tmp_path, slots=1)
    screen.ended(JOBS[0], Outcome("finished"), False)
    screen.look([JOBS[1]], [JOBS[2]], [])
    screen.ended(JOBS[2], Outcome("failed", "loss is nan"), False)
    one, two = capsys.readouterr().err.strip().splitlines()
    assert one.endswith("DFP, num_elites 2 lift seed 0: finished in 1.0 h (1 of 3)")
    assert two.endswith("DFP, num_elites 2 lift seed 2: failed, loss is nan (2 of 3)")


def test_a_run_that_is_deleted_meanwhile_has_no_progress(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "glob", lambda *_: iter([tmp_path / "run" / "record.jsonl"]))
    assert progress(tmp_path) == ""


def test_a_plan_is_whole_and_a_torn_one_of_earlier_is_named(tmp_path, monkeypatch):
    def break_off(path, text):
        path.write_bytes(text[:9].encode())
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", break_off)
    with pytest.raises(KeyboardInterrupt):
        write_plan(tmp_path, "one", "python -m eval.sweep 1", JOBS)
    assert not (tmp_path / FOLDER / "one.plan").exists()
    (tmp_path / FOLDER).mkdir(exist_ok=True)
    (tmp_path / FOLDER / "two.plan").write_bytes(b'{"sweep": ')
    with pytest.raises(ValueError, match=r"two\.plan: no plan of a sweep; delete it"):
        status(tmp_path)


def test_status_knows_from_the_files_alone(under_way, tmp_path):
    with pytest.raises(ValueError, match="no sweep has begun here"):
        status(tmp_path)
    write_plan(tmp_path, "one", "python -m eval.sweep 1", JOBS)
    first, second, _, _, _, line = status(tmp_path).splitlines()
    assert (first, second) == ("python -m eval.sweep 1", "3 runs of one seed: 1 finished, 1 running, 1 waiting")
    assert line.startswith("DFP, num_elites 2 lift seed 1  offline step 7, success 75 %")
    under_way.say(owner={**identity(1), "started": 0}, state="running")
    assert "1 lost" in status(tmp_path)
    under_way.say(state="failed", reason="loss is nan")
    assert status(tmp_path).splitlines()[-1] == "DFP, num_elites 2 lift seed 1: loss is nan"
