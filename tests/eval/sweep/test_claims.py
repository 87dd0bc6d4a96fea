"""Claims: one owner, whoever tries; given up when the owner is gone."""

import errno
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from eval.sweep.attempt import Attempt
from eval.sweep.claims import SILENCE, Claim, Claims, Watch, identity, started


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


@pytest.fixture
def full_disk(monkeypatch):
    """Has no room for what a claim says, two times."""
    refusals, say = iter([True, True]), Claim.say

    def without_room(claim, **facts):
        if next(refusals, False):
            raise OSError(errno.ENOSPC, "No space left on device")
        return say(claim, **facts)

    monkeypatch.setattr(Claim, "say", without_room)
    monkeypatch.setattr("eval.sweep.claims.HEARTBEAT", 0.0)


def test_a_claim_is_given_back_once_the_disk_has_room(claims, full_disk):
    claims.take(["a"], bool, {}).give_back(state="left", reason="no room")
    assert claims.last("a").facts["reason"] == "no room"


def test_an_attempt_whose_run_cannot_begin_gives_its_claim_back(claims, full_disk, probes, tmp_path, monkeypatch):
    def work(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Attempt, "_work", work)
    (job,) = probes(1)
    with pytest.raises(OSError, match="No space left"):
        Attempt(job, tmp_path, "one")()
    assert claims.last(*job.units).state == "left"


def test_claims_of_a_folder_that_was_deleted_need_not_be_given_back(claims):
    hold = claims.take(["a"], bool, {})
    shutil.rmtree(claims.folder)
    hold.give_back(state="left")


def test_what_was_taken_before_taking_failed_is_given_back(claims, full_disk, monkeypatch):
    create = claims._create

    def fail_for_b(unit, *rest):
        if unit == "b":
            raise OSError(errno.ENOSPC, "No space left on device")
        return create(unit, *rest)

    monkeypatch.setattr(claims, "_create", fail_for_b)
    with pytest.raises(OSError, match="No space left"):
        claims.take(["a", "b"], left, {})
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
