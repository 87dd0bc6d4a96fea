"""Datasets from outside: where their episodes end, what is kept of the last step, and how what is wrong is named."""

import sys
from pathlib import Path

import numpy as np
import pytest

from envs.dataset import Dataset
from envs.files.outside import read, tidy_source

OBS = np.arange(6, dtype=np.float32)[:, None]  # two episodes of three rows: 0 1 2 and 3 4 5
COLUMNS = {
    "observations": OBS,
    "actions": np.array([[-2.0], [0], [2], [-1], [0.5], [1]]),
    "rewards": -np.ones(6),
    "terminals": np.array([0, 0, 1, 0, 0, 0]),
    "timeouts": np.array([0, 0, 0, 0, 0, 1]),
}
NEXT = {"next_observations": np.array([[1.0], [2], [10], [4], [5], [20]])}


@pytest.fixture(params=["npz", "hdf5"])
def write(request, tmp_path, monkeypatch):
    """Writes columns to a file in either format, in the working folder, and returns its name."""
    monkeypatch.chdir(tmp_path)

    def to_file(**columns) -> str:
        if request.param == "npz":
            np.savez("own.npz", **columns)
        else:
            with pytest.importorskip("h5py").File("own.hdf5", "w") as file:
                file.update(columns)
        return f"own.{request.param}"

    return to_file


def obs_of(data: Dataset) -> list[list[float]]:
    return [part[:, 0].tolist() for part in np.split(data.obs, data.ends[:-1] + 1)]


def test_final_observations_are_kept(write):
    data = read(write(**COLUMNS, **NEXT))
    assert obs_of(data) == [[0, 1, 2, 10], [3, 4, 5, 20]]
    assert data.mask.tolist() == [1, 1, 0, 0, 1, 1, 1, 0], "the time limit is no terminal"
    assert (data.origin["rows"], data.origin["episodes"], data.origin["dropped"]) == (8, 2, 0)


def test_without_them_a_time_limits_last_step_is_dropped_and_the_tasks_end_is_not(write):
    data = read(write(**COLUMNS))
    assert obs_of(data) == [[0, 1, 2, 2], [3, 4, 5]]
    assert data.action[:, 0].tolist() == [-2, 0, 2, 0, -1, 0.5, 0]
    assert data.mask.tolist() == [1, 1, 0, 0, 1, 1, 0]
    assert data.origin["dropped"] == 1


def test_a_next_observation_that_does_not_follow_ends_an_episode(write):
    columns = {**COLUMNS, **NEXT, "terminals": np.zeros(6), "timeouts": np.zeros(6)}
    data = read(write(**columns))
    assert obs_of(data) == [[0, 1, 2, 10], [3, 4, 5, 20]]
    assert data.mask[[0, 1, 2, 4, 5, 6]].all()


def test_gymnasiums_names_are_known_and_one_of_the_two_ends_is_enough(write):
    columns = {key: COLUMNS[key] for key in ("observations", "actions", "rewards")}
    first = read(write(**columns, truncations=COLUMNS["terminals"]))
    assert obs_of(first) == [[0, 1, 2], [3, 4, 5]] and first.origin["dropped"] == 2


def test_actions_are_scaled_by_the_bounds_and_stay_as_they_are_without(write):
    name = write(**COLUMNS, **NEXT)
    assert read(name).action[:3, 0].tolist() == [-2, 0, 2]
    assert read(name, bounds=(np.array([-2.0]), np.array([2.0]))).action[:, 0].tolist() == [-1, 0, 1, 0, -0.5, 0.25, 0.5, 0]


def test_successes_are_counted_by_episode(write):
    assert read(write(**COLUMNS, success=[False, True, True, False, False, False])).origin["successes"] == 1
    assert "successes" not in read(write(**COLUMNS)).origin


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"observations": np.where(OBS == 4, np.nan, OBS)}, "observations has values that are not finite, the first in row 4"),
        ({"observations": OBS[:, 0]}, "observations has shape [6], needed is [any, any]"),
        ({"actions": COLUMNS["actions"][:5]}, "actions has shape [5, 1], needed is [6, any]"),
        ({"actions": 2 * COLUMNS["actions"]}, "actions row 0: -4 is not within -2 to 2 (2 rows are so)"),
        ({"rewards": np.array([-1, -1, 3, -1, -1, -1])}, "rewards row 2: 3 is not within the task's -1 to 0"),
        ({"rewards": np.full((6, 1), -1)}, "rewards has shape [6, 1], needed is [6]"),
        ({"terminals": np.array([0, 0, 2, 0, 0, 0])}, "terminals row 2: 2 is neither 0 nor 1"),
        ({"timeouts": COLUMNS["terminals"]}, "terminals and timeouts are equal in every row"),
        ({"timeouts": np.array([0, 0, 0, 1, 0, 1])}, "timeouts row 3: 1 ends an episode of one row"),
        ({"terminals": None, "timeouts": None, "dones": np.ones(6)}, "no 'terminals' and no 'timeouts'"),
        ({"observations": np.where(OBS == 4, 1e300, OBS)}, "observations has values that are not finite, the first in row 4"),
        ({"rewards": None}, "no 'rewards'; it has actions, observations, terminals, timeouts"),
        ({key: values[:0] for key, values in COLUMNS.items()}, "observations has no rows"),
        ({"actions": np.array([["left"]] * 6, dtype="S")}, "not numbers"),
    ],
)
def test_what_is_wrong_is_named_with_file_array_and_row(write, changes, words):
    columns = {key: values for key, values in {**COLUMNS, **changes}.items() if values is not None}
    name = write(**columns)
    with pytest.raises(ValueError, match=r"^own[^\n]+$") as refusal:
        read(name, bounds=(np.array([-2.0]), np.array([2.0])), rewards=(-1, 0))
    assert str(refusal.value).startswith(f"{name}: ") and words in str(refusal.value)


def test_one_file_is_one_dataset_however_it_is_spelled(write):
    name = write(**COLUMNS)
    assert read(f"./{name}").origin == read(name).origin
    assert tidy_source("./a/") == "a" and tidy_source("minari:./a/") == "minari:./a/"


def test_actions_of_another_size_than_the_bounds_are_refused(write):
    with pytest.raises(ValueError, match=r"own.*: actions has shape \[6, 1\], the task's actions have 2 numbers$"):
        read(write(**COLUMNS), bounds=(np.full(2, -2), np.full(2, 2)))


def test_what_is_no_dataset_is_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no absent.npz; a dataset is an .npz or .hdf5 file"):
        read("absent.npz")
    (other := tmp_path / "data.csv").touch()
    with pytest.raises(ValueError, match=r"data.csv: neither .npz nor .hdf5"):
        read(str(other))


def test_what_reads_hdf5_is_named_where_it_is_missing(tmp_path, monkeypatch):
    (mine := tmp_path / "mine.hdf5").touch()
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"^h5py is not installed: pip install .*'\.\[robomimic\]'$"):
        read(str(mine))


@pytest.fixture
def demonstrations(tmp_path: Path) -> str:
    """Two demonstrations of three steps in robomimic's layout; the first succeeds at its second step and holds on."""
    with pytest.importorskip("h5py").File(tmp_path / "demos.hdf5", "w") as file:
        for number, rewards in enumerate(([0, 1, 1], [0, 0, 0])):
            demo = file.create_group(f"data/demo_{number}")
            demo.update({"actions": np.zeros((3, 2)), "rewards": np.array(rewards), "dones": np.array([0, 0, 1])})
            steps = 10.0 * number + np.arange(4)
            for part, rows in (("obs", steps[:3]), ("next_obs", steps[1:])):
                demo.update({f"{part}/arm": rows[:, None], f"{part}/cube": np.stack([-rows, rows], 1)})
    return str(tmp_path / "demos.hdf5")


def test_a_demonstration_ends_at_its_success_and_one_without_was_cut_off(demonstrations):
    data = read(demonstrations, ["arm"])
    assert obs_of(data) == [[0, 1, 2], [10, 11, 12, 13]]
    assert data.mask.tolist() == [1, 0, 0, 1, 1, 1, 0]
    assert data.origin["successes"] == 1


def test_the_parts_of_an_observation_are_joined_in_the_order_they_are_named(demonstrations):
    assert read(demonstrations, ["cube", "arm"]).obs[1].tolist() == [-1, 1, 1]
    with pytest.raises(ValueError, match="obs has the parts arm, cube; say which of them make an observation"):
        read(demonstrations)
    with pytest.raises(ValueError, match="obs has no 'leg'; there are arm, cube"):
        read(demonstrations, ["leg"])


@pytest.mark.filterwarnings("ignore::UserWarning:minari")
def test_a_minari_dataset_reads_by_id_and_by_folder(tmp_path, monkeypatch):
    minari = pytest.importorskip("minari")
    from minari.data_collector import EpisodeBuffer

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    from gymnasium.spaces import Box

    episodes = [
        EpisodeBuffer(
            observations=np.array([[0.0], [1], [2]], np.float32),
            actions=np.array([[-2.0], [2]], np.float32),
            rewards=[0.0, 1.0],
            terminations=[False, ends],
            truncations=[False, not ends],
            infos={"success": np.array([False, False, ends])},
        )
        for ends in (True, False)
    ]
    minari.create_dataset_from_buffers(
        "own/toy-v0", episodes, observation_space=Box(-9, 9, (1,)), action_space=Box(-2, 2, (1,)), eval_env=None
    )
    data = read("minari:own/toy-v0", bounds=(np.array([-2.0]), np.array([2.0])))
    assert obs_of(data) == [[0, 1, 2], [0, 1, 2]]
    assert data.action[:, 0].tolist() == [-1, 1, 0, -1, 1, 0]
    assert data.mask.tolist() == [1, 0, 0, 1, 1, 0]
    assert data.origin["successes"] == 1
    folder = read(str(tmp_path / "own/toy-v0"))
    assert folder.origin["sha256"] == data.origin["sha256"] and np.array_equal(folder.obs, data.obs)
