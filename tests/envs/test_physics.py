"""Fingerprints of simulators."""

from envs.physics import physics_fingerprint
from envs.task import find_task


def test_equal_physics_have_equal_fingerprints():
    first, again = (physics_fingerprint(find_task("cube-single-task2")) for _ in range(2))
    assert first == again
    assert len(first["last_obs"]) == 28
    assert first["hash"] != physics_fingerprint(find_task("cube-single-task1"))["hash"]
