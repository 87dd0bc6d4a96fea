"""The loop, on a cluster of simulated time."""

import random

import pytest

from eval.sweep.attempt import Job
from eval.sweep.claims import Claims
from eval.sweep.cost import costs, makespan
from eval.sweep.drive import PAUSE
from tests.eval.sweep.simulate import Cluster, share_lost, simulate


def jobs(n: int, hours: float = 1.0) -> list[Job]:
    return [Job((), (i,), (f"unit-{i}",), "dfp", "task", "DFP", "grid", hours=hours) for i in range(n)]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_thousand_runs_on_64_workers_of_which_a_twentieth_is_killed(tmp_path, seed):
    cluster = simulate(1000, 64, 0.05, seed, (2.0, 6.0), tmp_path)
    assert len(cluster.finished) == len(set(cluster.finished)) == 1000 and 30 < cluster.lost < 80
    assert share_lost(cluster) < 0.1


def test_a_run_that_always_dies_is_taken_up_as_often_as_said(sweep):
    cluster = Cluster(2, 1.0, random.Random(0), 0.0)
    one = sweep(jobs(3), cluster, retries=2)
    one.run()
    assert cluster.lost == 3 * 3 and not cluster.finished
    assert cluster.now > PAUSE + 2 * PAUSE, "it rests before each"
    reasons = [outcome.reason for _, outcome, again in one.screen.outcomes if not again]
    assert reasons == ["died 3 times, its worker was killed"] * 3, "once each"


def test_what_others_run_is_waited_for_and_what_they_leave_or_lose_is_taken_up(sweep, tmp_path):
    claims, cluster = Claims(tmp_path), Cluster(1, 0.0, random.Random(0), 0.0)
    theirs = [claims.take([f"unit-{i}"], bool, {"owner": {"place": "elsewhere"}, "folder": "x"}) for i in range(3)]
    theirs[0].say(state="left")
    theirs[1].say(state="failed", reason="loss is nan")
    one = sweep(jobs(3), cluster)
    one.run()
    assert sorted(cluster.finished) == ["unit-0", "unit-1", "unit-2"]
    assert cluster.finished[-1] == "unit-2" and cluster.now > 2 * 3600 + 120, "the silent one comes last, once it is given up"


def test_what_others_see_fail_during_a_sweep_is_not_run_again(sweep, tmp_path):
    theirs = Claims(tmp_path).take(["unit-0"], bool, {"owner": {"place": "elsewhere"}, "folder": "x"})
    cluster = Cluster(1, 0.0, random.Random(0), 0.0)
    one = sweep(jobs(2, 0.01), cluster)
    remember = one.screen.ended

    def ended(job, outcome, again):
        theirs.say(state="failed", reason="loss is nan")
        remember(job, outcome, again)

    one.screen.ended = ended
    one.run()
    assert cluster.finished == ["unit-1"]
    assert one.screen.outcomes[-1][1].reason == "loss is nan"


def test_hours_side_by_side():
    assert makespan([4, 3, 2, 1], 1) == 10 and makespan([4, 3, 2, 1], 2) == 5 and makespan([4, 3], 8) == 4
    text = costs([*jobs(3, 2.0), Job((), (0, 1), ("a", "b"), "mvp", "task", "MVP", "table 1")], 2)
    assert text.splitlines()[2].split() == ["grid", "3", *"6.0 h 6.0 h 4.0 h 2.0 h 2.0 h".split()]
    assert text.splitlines()[3].split() == ["table", "1", "2", "2", "?", "?", "?", "?", "?"]
    assert text.splitlines()[4].split() == ["all", "5", "2", *"6.0 h 6.0 h 4.0 h 2.0 h 2.0 h".split()]
