"""Steps of the fast path against robosuite's own: equal to the bit wherever both BLAS libraries round alike, else to 1e-10."""

import numpy as np
import pytest

robosuite = pytest.importorskip("robosuite")

from envs.scripts.demonstrate import DEMONSTRATORS, demonstrate, make_demonstration_env  # noqa: E402
from envs.scripts.operators import Operator  # noqa: E402
from envs.suites.panda import osc_torques, supports  # noqa: E402
from envs.suites.robosuite_env import RobosuiteEnv, robosuite_settings  # noqa: E402
from envs.task import find_task  # noqa: E402

TASKS = ("lift", "can", "square")
STEPS = 40


@pytest.fixture(scope="module", params=TASKS)
def pair(request):
    """A task with its environment twice: on the fast path, and on robosuite's own."""
    task = find_task(request.param)
    return task, RobosuiteEnv(task), RobosuiteEnv(task, fast=False)


def state(env):
    """All that the next step depends on, and robosuite's clocks."""
    inner = env.robosuite
    data = inner.sim.data
    clocks = [(each._time_since_last_sample, each._sampled) for each in inner._observables.values()]
    grip = inner.robots[0].gripper["right"].current_action
    parts = data.qpos, data.qvel, data.qacc_warmstart, data.ctrl, grip, [data.time, inner.cur_time, inner.timestep]
    return np.concatenate([*parts, np.ravel(clocks)])


def random_actions(seed):
    """Actions that stay in one direction for a while, some beyond their bounds."""
    rng = np.random.default_rng(seed)
    return np.repeat(rng.uniform(-1, 1, (STEPS // 10, 7)), 10, axis=0) + rng.normal(0, 0.4, (STEPS, 7))


def compare(fast, plain, actions):
    """Steps both from equal states; returns the steps that were taken on the fast path."""
    count = 0
    for _, action in zip(range(STEPS), actions, strict=False):
        on_fast_path = fast._panda is not None and fast._panda.arm.new_update
        count += on_fast_path and fast._panda.controller is fast.robosuite.robots[0].composite_controller
        (obs, *outcome), (needed_obs, *needed_outcome) = fast.step(action), plain.step(action)
        assert outcome == needed_outcome
        np.testing.assert_allclose(state(fast), state(plain), rtol=0, atol=1e-10)
        np.testing.assert_allclose(obs, needed_obs, rtol=0, atol=1e-6)  # float32
        assert fast.values.keys() == plain.values.keys()
        for key, needed in plain.values.items():
            np.testing.assert_allclose(fast.values[key], needed, rtol=0, atol=1e-10, err_msg=key)
    return count


def test_random_steps_are_robosuites(pair):
    _, fast, plain = pair
    for seed in (0, 1):  # with a reset between
        np.testing.assert_array_equal(fast.reset(seed=seed)[0], plain.reset(seed=seed)[0])
        assert compare(fast, plain, random_actions(seed)) >= STEPS - 2
    assert plain._panda is None


def test_demonstrated_steps_are_robosuites(pair):
    task, fast, plain = pair
    fast.reset(seed=2), plain.reset(seed=2)
    demonstrator = DEMONSTRATORS[task.name](plain.robosuite, Operator.number(0, 5), np.random.default_rng(0))
    compare(fast, plain, demonstrator.actions())


def test_both_ways_can_alternate_within_an_episode(pair):
    _, fast, plain = pair
    fast.reset(seed=3), plain.reset(seed=3)
    for step, action in enumerate(random_actions(3)[:12]):
        if step % 4 < 2:
            fast.values = fast.robosuite.step(action)[0]
        else:
            fast.step(action)
        plain.step(action)
        np.testing.assert_allclose(state(fast), state(plain), rtol=0, atol=1e-10)


def test_demonstrations_are_the_same_with_and_without():
    task = find_task("lift")
    fast, plain = make_demonstration_env(task), make_demonstration_env(task)
    plain.fast = False
    for index in (4, 5):
        demo, needed = demonstrate(fast, task, seed=0, index=index), demonstrate(plain, task, seed=0, index=index)
        assert demo.attempts == needed.attempts
        np.testing.assert_array_equal(demo.arrays["actions"], needed.arrays["actions"])
        np.testing.assert_array_equal(demo.arrays["rewards"], needed.arrays["rewards"])


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        ("arm", "impedance_mode", "variable_kp"),
        ("arm", "input_type", "absolute"),
        ("arm", "input_ref_frame", "world"),
        ("arm", "_goal_update_mode", "desired"),
        ("arm", "use_ori", False),
        ("arm", "uncoupling", False),
        ("arm", "interpolator_pos", object()),
        ("arm", "position_limits", np.zeros((2, 3))),
        ("gripper", "use_action_scaling", False),
        ("gripper", "output_max", np.full(2, 0.5)),
        ("env", "lite_physics", False),
        ("env", "ignore_done", False),
        ("env", "viewer", object()),
        ("observable", "_delayer", lambda: 0.01),
        ("observable", "_sampling_timestep", 0.1),
    ],
)
def test_other_settings_are_left_to_robosuite(owner, name, value, pair, monkeypatch):
    env = pair[1].robosuite
    arm, gripper = env.robots[0].composite_controller.part_controllers.values()
    owners = {"arm": arm, "gripper": gripper, "env": env, "observable": env._observables["robot0_eef_pos"]}
    assert supports(env)
    monkeypatch.setattr(owners[owner], name, value)
    assert not supports(env)


@pytest.mark.parametrize("change", [{"robots": ["Sawyer"]}, {"input_ref_frame": "world"}])
def test_environment_falls_back(change):
    settings = robosuite_settings("Lift")
    settings["robots"] = change.pop("robots", ["Panda"])
    settings["controller_configs"]["body_parts"]["right"].update(change)
    env = RobosuiteEnv(find_task("lift"))
    env.robosuite = robosuite.make("Lift", **settings)
    env.reset(seed=0)
    for action in random_actions(0)[:3, : env.robosuite.action_dim]:
        env.step(action)
    assert env._panda is None and env.robosuite.timestep == 3


def test_action_of_another_size_is_refused():
    env = RobosuiteEnv(find_task("lift"))
    env.reset(seed=0)
    env.step(np.zeros(7))
    with pytest.raises(ValueError, match=r"action has shape \[6\], needed is \[7\]"):
        env.step(np.zeros(6))


def test_torques_give_the_wanted_acceleration():
    """With rotation at rest and no coupling, J M^-1 tau = kp e - kd v: the hand moves as a unit mass."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(7, 7))
    M, J = root @ root.T + np.eye(7), rng.normal(size=(6, 7))
    J[3:] -= J[3:] @ np.linalg.solve(M, J[:3].T) @ np.linalg.inv(J[:3] @ np.linalg.solve(M, J[:3].T)) @ J[:3]
    goal, pos, q, v = rng.normal(size=3), rng.normal(size=3), rng.normal(size=7), rng.normal(size=7)
    kp, kd, zero = np.full(6, 150.0), np.full(6, 24.0), np.zeros(7)
    tau = osc_torques(goal, np.eye(3), pos, np.eye(3), J, M, q, v, v, zero, rng.normal(size=7), kp, kd)
    needed = np.concatenate([150 * (goal - pos), np.zeros(3)]) - 24 * J @ v
    np.testing.assert_allclose(J @ np.linalg.solve(M, tau), needed, rtol=1e-7, atol=1e-7)
