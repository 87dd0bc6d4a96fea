"""Claims: one owner, whoever tries; given up when the owner is gone."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from eval.sweep.claims import SILENCE, Claims, Watch, identity, started


@pytest.fixture
def claims(tmp_path):
    return Claims(tmp_path)


def left(claim):
    return claim.state == "left"


def test_of_many_who_try_one_gets_it_and_after_each_end_one_again(claims):
    for number in (1, 2, 3):
        with ThreadPoolExecutor(16) as pool:
            holds = [hold for hold in pool.map(lambda _: claims.take(["a"], left, {}), range(64)) if hold]
        (hold,) = holds
        assert claims.last("a").number == number and claims.last("a").state == "running"
        hold.say(state="left")


def test_two_who_find_a_claim_abandoned_do_not_both_take_its_place(claims):
    claims.take(["a"], bool, {})
    seen = claims.last("a")
    holds = [claims.take(["a"], lambda last: last.path == seen.path, {}) for _ in range(2)]
    assert [hold is not None for hold in holds] == [True, False]


def test_a_job_s_claims_are_held_together_or_not_at_all(claims):
    assert claims.take(["b"], bool, {})
    assert claims.take(["a", "b"], left, {}) is None
    assert claims.last("a").state == "left"


def test_an_owner_learns_that_it_was_taken_for_dead(claims):
    hold = claims.take(["a"], bool, {})
    assert not hold.superseded()
    claims.take(["a"], lambda last: True, {})
    assert hold.superseded()


def test_on_one_machine_a_claim_is_abandoned_once_its_owner_and_its_run_are_gone(claims):
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    owner, run = subprocess.Popen(sleep), subprocess.Popen(sleep)
    hold = claims.take(["a"], bool, {"owner": identity(owner.pid), "run": identity(run.pid)})
    for process in (owner, run):
        assert not Watch().abandoned(claims.last("a"))
        process.kill()
        process.wait()
    assert Watch().abandoned(claims.last("a"))
    hold.say(owner={**identity(os.getpid()), "started": started(os.getpid()) - 1})
    assert Watch().abandoned(claims.last("a")), "a later process with the number of the owner's is not the owner"


def test_from_elsewhere_a_claim_is_abandoned_when_its_heartbeat_stands_still_by_the_watch_of_who_looks(claims):
    now = 0.0
    hold = claims.take(["a"], bool, {"owner": {"place": "elsewhere"}})
    watch = Watch(lambda: now)
    for _ in range(10):  # it beats: at whatever its own clock says
        os.utime(claims.last("a").path, (now, now))
        assert not watch.abandoned(claims.last("a"))
        now += SILENCE
    assert not watch.abandoned(claims.last("a")), "SILENCE is not yet over"
    now += 1
    assert watch.abandoned(claims.last("a"))
    hold.beat()
    assert not watch.abandoned(claims.last("a"))


def test_a_claim_that_was_created_but_not_written_is_held(claims):
    claims.folder.mkdir()
    (claims.folder / "a.1").touch()
    assert claims.last("a").state == "running" and not Watch().abandoned(claims.last("a"))
