import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")
robosuite = pytest.importorskip("robosuite")

from envs.scripts.demonstrate import demonstrate, make_demonstration_env, try_once  # noqa: E402
from envs.scripts.demonstration_dataset import generate_demos  # noqa: E402
from envs.scripts.operators import TIERS, Operator  # noqa: E402
from envs.suites.robosuite_env import CONTROLLER, check_env_args, robosuite_settings, success_reward  # noqa: E402
from envs.task import find_task  # noqa: E402

LIFT = find_task("lift")
OBS = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos", "object")


@pytest.fixture(scope="module")
def file(demonstrated):
    with h5py.File(demonstrated / "lift-mh.hdf5") as file:
        yield file


@pytest.fixture
def copy(demonstrated, tmp_path):
    """A copy of the HDF5 file alone, to be spoilt."""
    return Path(shutil.copy(demonstrated / "lift-mh.hdf5", tmp_path))


def test_file_has_robomimics_layout(file):
    assert sorted(file["data"]) == ["demo_0", "demo_1", "demo_2"]
    for demo in file["data"].values():
        steps = demo.attrs["num_samples"]
        assert demo["actions"].shape == (steps, 7) and np.abs(demo["actions"]).max() <= 1
        assert {key: len(demo[key]) for key in ("states", "rewards", "dones")} == dict.fromkeys(
            ("states", "rewards", "dones"), steps
        )
        np.testing.assert_array_equal(demo["rewards"][-10:], 1)
        assert demo["dones"][-1] == 1 and demo["rewards"][-11] == 0, "ten steps of success end a demonstration"
        assert demo.attrs["model_file"].startswith("<mujoco")
        assert set(OBS) <= set(demo["obs"]) == set(demo["next_obs"])
        for key, values in demo["obs"].items():
            np.testing.assert_array_equal(values[1:], demo["next_obs"][key][:-1], err_msg=key)


def test_file_says_how_many_who_and_where(file):
    total = sum(len(demo["actions"]) for demo in file["data"].values())
    assert file["data"].attrs["total"] == total >= 150
    train, valid, *tiers = (set(file[f"mask/{name}"].asstr()[()]) for name in ("train", "valid", "worse", "okay", "better"))
    assert len(valid) == 1 and train | valid == set(file["data"]) and not train & valid
    assert tiers == [{"demo_0", "demo_1"}, {"demo_2"}, set()]
    env_args = json.loads(file["data"].attrs["env_args"])
    assert env_args == {
        "env_name": "Lift",
        "env_version": robosuite.__version__,
        "type": 1,
        "env_kwargs": robosuite_settings("Lift"),
    }


def test_sidecar_tells_where_the_data_come_from(demonstrated, file):
    facts = json.loads((demonstrated / "lift-mh.json").read_text())
    assert facts["source"] == "generated" and facts["episodes"] == 3 and facts["attempts"] >= 3
    assert facts["rows"] == file["data"].attrs["total"]
    assert set(facts["sha256"]) == {"lift-mh.hdf5"}
    assert facts["versions"].keys() == {"robosuite", "mujoco", "numpy"}


def test_demonstration_depends_on_its_number_alone_whatever_the_process(file):
    demo = demonstrate(make_demonstration_env(LIFT), LIFT, seed=0, index=1)
    for key, values in demo.arrays.items():
        np.testing.assert_array_equal(values, file[f"data/demo_1/{key}"], err_msg=key)
    assert demo.model_file == file["data/demo_1"].attrs["model_file"]


def test_existing_data_are_not_overwritten(demonstrated):
    before = (demonstrated / "lift-mh.hdf5").read_bytes()
    with pytest.raises(FileExistsError, match="exists already; --overwrite replaces it"):
        generate_demos(LIFT, demonstrated, seed=1, rows=1)
    assert (demonstrated / "lift-mh.hdf5").read_bytes() == before
    assert sorted(path.name for path in demonstrated.iterdir()) == ["lift-mh.hdf5", "lift-mh.json"]


def test_six_operators_in_three_tiers():
    group = [Operator.number(3, index) for index in range(7)]
    assert [operator.tier for operator in group[:6]] == [tier for tier in TIERS for _ in range(2)]
    assert len(set(group)) == 6 and group[6] == group[0]


@pytest.mark.parametrize("name", ["can", "square"])
def test_good_operator_succeeds(name):
    task = find_task(name)
    env = make_demonstration_env(task)
    arrays = try_once(env, task, Operator.number(0, 5), np.random.SeedSequence([0, 1, 5, 0]))
    assert arrays is not None and arrays["rewards"].sum() >= 10
    assert arrays["obs/object"].shape[1] == task.obs_dim - 9


def test_dataset_is_the_train_mask_up_to_the_first_success(demonstrated, file):
    data = LIFT.load_dataset([demonstrated])
    names = sorted(file["mask/train"].asstr()[()])
    for name, start, end in zip(names, [0, *(data.ends[:-1] + 1)], data.ends, strict=True):
        demo, steps = file[f"data/{name}"], end - start
        np.testing.assert_array_equal(demo["rewards"][: steps + 1], np.arange(steps + 1) >= steps - 1)
        obs, next_obs = (np.concatenate([demo[f"{key}/{part}"] for part in OBS], axis=1) for key in ("obs", "next_obs"))
        np.testing.assert_array_equal(data.obs[start:end], obs[:steps])
        np.testing.assert_array_equal(data.obs[end], next_obs[steps - 1])
        np.testing.assert_array_equal(data.action[start:end], demo["actions"][:steps])
        np.testing.assert_array_equal(data.reward[start:end], [-1] * (steps - 1) + [0])
        np.testing.assert_array_equal(data.mask[start:end], [1] * (steps - 1) + [0])
    assert data.obs.shape[1] == 19 and all(rows.dtype == np.float32 for rows in (data.obs, data.action, data.reward, data.mask))


def test_origin_goes_with_the_data(demonstrated, copy):
    origin = LIFT.load_dataset([demonstrated]).origin
    assert origin.items() >= {"source": "generated", "name": "lift-mh", "episodes": 2}.items()
    assert origin["env_args"].items() >= {"env_name": "Lift", "controller": "OSC_POSE", "control_freq": 20}.items()
    assert len(origin["sha256"]) == 64
    local = LIFT.load_dataset([copy.parent]).origin
    assert local["source"] == "local" and local["sha256"] == origin["sha256"]


def test_file_where_robomimic_downloads_it_is_found(copy, tmp_path):
    (tmp_path / "lift" / "mh").mkdir(parents=True)
    copy.rename(tmp_path / "lift" / "mh" / "low_dim_v15.hdf5")
    assert len(LIFT.load_dataset([tmp_path]).ends) == 2


def test_a_file_without_a_train_mask_counts_whole(copy):
    with h5py.File(copy, "r+") as file:
        del file["mask"]
        file["data/demo_2/rewards"][:] = 0
        steps = len(file["data/demo_2/actions"])
    data = LIFT.load_dataset([copy.parent])
    assert len(data.ends) == 3
    last = slice(data.ends[1] + 1, data.ends[2])
    np.testing.assert_array_equal(data.mask[last], np.ones(steps))
    np.testing.assert_array_equal(data.reward[last], -np.ones(steps))


def test_environment_repeats_a_demonstration(file):
    demo = file["data/demo_0"]
    env = LIFT.make_env().unwrapped
    env.reset(seed=123)
    inner = env.robosuite
    inner.reset_from_xml_string(demo.attrs["model_file"])
    inner.sim.set_state_from_flattened(demo["states"][0])
    inner.sim.forward()
    arm = inner.robots[0].composite_controller.part_controllers["right"]
    arm.update_initial_joints(inner.sim.data.qpos[arm.qpos_index])  # the posture that the arm tends to
    inner._get_observations(force_update=True)  # starts robosuite's sampling of observations, as a reset does
    for step, action in enumerate(demo["actions"]):
        obs, reward, terminated, _, info = env.step(action)
        success = bool(demo["rewards"][step])
        assert (reward, terminated, info["success"]) == (success_reward(success), success, success)
        np.testing.assert_allclose(obs, np.concatenate([demo[f"next_obs/{key}"][step] for key in OBS]), atol=1e-5)


@pytest.mark.parametrize("name", ["can", "square"])
def test_soft_reset_is_as_good_as_a_hard_one(name):
    def roll(env):
        return np.stack([env.reset(seed=4)[0], *(env.step(action)[0] for action in actions)])

    actions = np.random.default_rng(0).uniform(-1, 1, (10, 7))
    env = find_task(name).make_env()
    assert not env.unwrapped.robosuite.hard_reset
    first, soft = roll(env), roll(env)
    env.unwrapped.robosuite.hard_reset = True
    np.testing.assert_array_equal(soft, first)
    np.testing.assert_array_equal(roll(env), first)


def community(name="Lift", **arm):
    """What robomimic's low_dim_v15 files say; `arm` changes the arm's controller."""
    settings = {key: value for key, value in CONTROLLER.items() if key not in ("damping_ratio", "input_type")}
    older = {"damping": 1, "control_delta": True, "kp_limits": [0, 300], "ramp_ratio": 0.2, "input_ref_frame": "world"}
    right = {**settings, **older, "gripper": {"type": "GRIP"}, **arm}
    kwargs = {"robots": ["Panda"], "control_freq": 20, "lite_physics": False, "reward_shaping": False}
    kwargs["controller_configs"] = {"type": "BASIC", "body_parts": {"right": right}}
    return {"env_name": name, "env_version": "1.5.1", "type": 1, "env_kwargs": kwargs}


def test_environments_of_the_community_are_accepted():
    said = community(kp=[150] * 6)
    said["env_kwargs"] |= {"gripper_types": ["PandaGripper"], "table_friction": [1.0, 0.005, 0.0001], "camera_heights": 84}
    check_env_args(said, "Lift")
    older = community()
    older["env_kwargs"]["controller_configs"] = older["env_kwargs"]["controller_configs"]["body_parts"]["right"]
    check_env_args(older, "Lift")


def test_controller_is_robosuites_default():
    from robosuite.controllers import load_composite_controller_config

    default = load_composite_controller_config(robot="Panda")
    arm = default["body_parts"]["right"]
    assert default["type"] == "BASIC"
    assert {key: arm[key] for key in CONTROLLER} == CONTROLLER
    check_env_args({"env_name": "Lift", "env_kwargs": {"controller_configs": default}}, "Lift")


@pytest.mark.parametrize("setting", [{"lite_physics": False}, {"input_ref_frame": "world"}])
def test_settings_that_are_not_compared_move_nothing(setting):
    def roll(**changes):
        settings = robosuite_settings("PickPlaceCan")
        settings["lite_physics"] = changes.pop("lite_physics", True)
        settings["controller_configs"]["body_parts"]["right"].update(changes)
        env = robosuite.make("PickPlaceCan", seed=0, **settings)
        env.reset()
        for action in np.random.default_rng(0).uniform(-1, 1, (10, 7)):
            env.step(action)
        return env.sim.get_state().flatten()

    np.testing.assert_allclose(roll(**setting), roll(), atol=1e-12)


def refusal(path):
    """The one line with which a file is refused; it names the file."""
    with pytest.raises(ValueError) as caught:
        LIFT.load_dataset([path.parent])
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message


def in_env_args(**changes):
    """Writes env_args with other env_kwargs, or another env_name."""

    def change(file):
        env_args = community()
        env_args["env_name"] = changes.pop("env_name", "Lift")
        env_args["env_kwargs"].update(changes)
        file["data"].attrs["env_args"] = json.dumps(env_args)

    return change


def with_arm(**arm):
    return in_env_args(**community(**arm)["env_kwargs"])


def replaced(name, value):
    def change(file):
        if name in file:
            del file[name]
        file[name] = value

    return change


def filled(name, value):
    def change(file):
        file[name][3] = value

    return change


def removed(name):
    def change(file):
        del file[name]

    return change


def emptied(file):
    for name in list(file["data"]):
        del file["data"][name]


def virtual(file):
    layout = h5py.VirtualLayout(file["data/demo_0/actions"].shape, "f4")
    layout[:] = h5py.VirtualSource("other.hdf5", "actions", layout.shape)
    del file["data/demo_0/actions"]
    file.create_virtual_dataset("data/demo_0/actions", layout)


def stored_elsewhere(file):
    steps = len(file["data/demo_0/actions"])
    del file["data/demo_0/actions"]
    file.create_dataset("data/demo_0/actions", (steps, 7), "f4", external="/etc/passwd")


def inflated(file):
    del file["data/demo_0/actions"]
    file.create_dataset("data/demo_0/actions", (10**12, 7), "f4", chunks=(1000, 7))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (removed("data"), "no 'data' in /"),
        (removed("data/demo_0/actions"), "no 'data/demo_0/actions'"),
        (removed("data/demo_0/next_obs/object"), "data/demo_0/next_obs has no 'object'; there are "),
        (emptied, "data has no demonstrations"),
        (replaced("data/extra", [1.0]), "data has 'extra', which is no demo_<number>"),
        (replaced("data/demo_0", [1.0]), "no 'data/demo_0/actions'"),
        (replaced("mask/train", np.array([], "S")), "mask/train is empty"),
        (replaced("mask/train", np.array(["demo_9"], "S")), "mask/train names 'demo_9', which data does not have"),
        (replaced("mask/train", [1, 2]), "mask/train is no list of names"),
        (replaced("data/demo_0/actions", np.zeros((65, 6))), "6], the task's actions have 7 numbers"),
        (replaced("data/demo_0/actions", np.zeros((0, 7))), "data/demo_0 has no steps"),
        (replaced("data/demo_0/rewards", np.zeros(3)), "data/demo_0/rewards has shape [3]"),
        (replaced("data/demo_0/rewards", np.full(65, 0.3)), "data/demo_0/rewards row 0: 0.3 is neither 0 nor 1"),
        (replaced("data/demo_0/obs/object", np.zeros((65, 14))), "has shape [65, 14], needed is [65, 10]"),
        (replaced("data/demo_0/actions", np.full((65, 7), b"x")), "data/demo_0/actions holds |S1, not numbers"),
        (filled("data/demo_0/obs/robot0_eef_pos", np.nan), "has values that are not finite"),
        (filled("data/demo_0/actions", np.inf), "data/demo_0/actions has values that are not finite"),
        (filled("data/demo_0/actions", -1.5), "data/demo_0/actions row 3: -1.5 is not within -1 to 1"),
        (replaced("data/demo_0", h5py.ExternalLink("other.hdf5", "/demo_0")), "is a link, which is not followed"),
        (replaced("data/demo_0/actions", h5py.SoftLink("/data/demo_1/actions")), "is a link, which is not followed"),
        (replaced("data", h5py.ExternalLink("other.hdf5", "/data")), "'data' of 'data' is a link"),
        (virtual, "lies in another file, which is not read"),
        (stored_elsewhere, "lies in another file, which is not read"),
        (inflated, "claims 28000000000000 bytes, which the file does not hold"),
        (lambda file: file["data"].attrs.pop("env_args"), "no attribute env_args with valid JSON"),
        (lambda file: file["data"].attrs.modify("env_args", "{"), "no attribute env_args with valid JSON"),
        (lambda file: file["data"].attrs.modify("env_args", "[]"), "env_args is no JSON object with env_kwargs"),
        (in_env_args(env_name="PickPlaceCan"), "made in 'PickPlaceCan', needed is 'Lift'"),
        (in_env_args(robots=["Sawyer"]), "made with robots ['Sawyer'], needed is 'Panda'"),
        (in_env_args(control_freq=10), "made with control_freq 10, needed is 20"),
        (in_env_args(gripper_types="RethinkGripper"), "made with gripper_types 'RethinkGripper', needed is 'default'"),
        (in_env_args(initialization_noise=None), "made with initialization_noise None, needed is 'default'"),
        (in_env_args(bin1_pos=[0, 0, 1]), "made with bin1_pos [0, 0, 1], which the task's environment does not have"),
        (with_arm(gripper={"type": "JOINT"}), "made with the gripper's controller {'type': 'JOINT'}"),
        (in_env_args(controller_configs=None), "env_args has no controller for the arm"),
        (with_arm(type="JOINT_VELOCITY"), "made with a controller whose type is 'JOINT_VELOCITY', needed is 'OSC_POSE'"),
        (with_arm(kp=300), "made with a controller whose kp is 300, needed is 150"),
        (with_arm(damping=2), "made with a controller whose damping_ratio is 2, needed is 1"),
        (with_arm(control_delta=False), "made with a controller whose input_type is 'absolute', needed is 'delta'"),
        (with_arm(output_max=0.1), "made with a controller whose output_max is 0.1"),
    ],
)
def test_bad_file_is_refused(change, words, copy):
    with h5py.File(copy, "r+") as file:
        change(file)
    assert words in refusal(copy)


@pytest.mark.parametrize("size", [0, 100, -5000])
def test_truncated_file_is_refused(size, copy):
    copy.write_bytes(copy.read_bytes()[:size])
    assert "truncated, damaged or not an HDF5 file" in refusal(copy)


def test_external_link_is_not_even_opened(copy, tmp_path):
    """An opened HDF5 file that is no HDF5 file would be reported as such."""
    (tmp_path / "other.hdf5").write_text("secret")
    with h5py.File(copy, "r+") as file:
        del file["mask"]
        file["mask"] = h5py.ExternalLink("other.hdf5", "/mask")
    assert "'mask' of 'mask' is a link, which is not followed" in refusal(copy)


def test_file_that_its_sidecar_does_not_describe_is_refused(copy):
    copy.with_suffix(".json").write_text(json.dumps({"source": "fetched", "sha256": {copy.name: "0" * 64}}))
    assert "the SHA-256 differs" in refusal(copy)


def test_missing_data_name_the_command_that_makes_similar_ones(tmp_path, dead):
    with pytest.raises(FileNotFoundError, match=r"no lift-mh.hdf5 in .*`python -m envs.generate lift` makes similar data"):
        LIFT.load_dataset([tmp_path])
    with pytest.raises(ConnectionError, match=r"^no mirror has lift-mh .*`python -m envs.generate lift"):
        LIFT.fetch(tmp_path, [dead])
    assert list(tmp_path.iterdir()) == []


def test_human_demonstrations_are_fetched(copy, tmp_path, serve, dead):
    there = tmp_path / "mirror" / "lift" / "mh" / "low_dim_v15.hdf5"
    there.parent.mkdir(parents=True)
    shutil.copy(copy, there)
    path = LIFT.fetch(tmp_path / "data", [dead, mirror := serve(tmp_path / "mirror")])
    assert path.name == "lift-mh.hdf5" and path.read_bytes() == copy.read_bytes()
    origin = LIFT.load_dataset([tmp_path / "data"]).origin
    assert (origin["source"], origin["mirror"], origin["episodes"]) == ("fetched", mirror, 2)
    there.write_bytes(b"not HDF5")
    with pytest.raises(ConnectionError, match="not an HDF5 file"):
        LIFT.fetch(tmp_path / "other", [mirror])
    assert not (tmp_path / "other").exists(), "nothing stays"


def test_kinds_of_ogbench_are_refused_in_one_line(tmp_path):
    command = [sys.executable, "-m", "envs.generate", "lift", "--kind", "noisy", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: lift: --kind noisy is OGBench's alone")
    assert done.stderr.count("\n") == 1 and list(tmp_path.iterdir()) == []


def test_demonstrations_are_read_by_robomimic_itself(copy, file):
    dataset_module = pytest.importorskip("robomimic.utils.dataset")
    obs_utils = pytest.importorskip("robomimic.utils.obs_utils")
    obs_utils.initialize_obs_modality_mapping_from_dict({"low_dim": list(OBS)})
    data = dataset_module.SequenceDataset(
        str(copy),
        obs_keys=OBS,
        dataset_keys=("actions", "rewards", "dones"),
        load_next_obs=True,
        filter_by_attribute="train",
    )
    assert len(data) == sum(len(file[f"data/{name}/actions"]) for name in file["mask/train"].asstr()[()])
    np.testing.assert_allclose(data[0]["actions"][0], file["data/demo_0/actions"][0])


@pytest.mark.parametrize("name", ["lift", "can", "square"])
def test_environment_shows_the_object_and_repeats_with_its_seed(name):
    task = find_task(name)
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 7))

    def roll(env, seed):
        rows = [env.reset(seed=seed)[0]]
        for action in actions:
            obs, reward, terminated, truncated, info = env.step(action)
            assert (reward, terminated, truncated, info["success"]) == (-1.0, False, False, False)
            rows.append(obs)
        return np.stack(rows)

    env = task.make_env()
    first, other, again = roll(env, 7), roll(env, 8), roll(env, 7)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == (6, task.obs_dim)
    assert first.dtype == np.float32
    assert np.count_nonzero(first[0, 9:16]) >= 5, "the object is hidden right after the reset"
