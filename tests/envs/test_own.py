"""Tasks from outside: what the suite sees of a Gymnasium environment, and what it refuses."""

import re
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict

from envs import outside
from envs.own import REFERENCES, own_task
from envs.physics import physics_fingerprint
from envs.suites import TASKS
from envs.task import Task, find_task

TASK_FILE = """
import gymnasium
from envs.own import own_task

def make_env():
    return gymnasium.make("Pendulum-v1", g=9.0)

HIGH = own_task(make_env, success=lambda obs, info: obs[0] > 0.9, time_limit=7)
RETURN = own_task(make_env, success_return=-200, dataset="rows.npz")
"""


class Still(gymnasium.Env):
    """Its state is its last action; the reward is 1."""

    def __init__(self, observation_space=None, action_space=None, info=None, seen=None):
        self.observation_space = observation_space or Box(-1, 1, (2,))
        self.action_space = action_space or Box(np.array([0, -3], np.float32), np.array([1, 5], np.float32))
        self.info, self.seen = info or {}, seen

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample() if self.seen is None else self.seen, {}

    def step(self, action):
        assert self.action_space.contains(action)
        obs = self.observation_space.sample() if isinstance(self.observation_space, Dict) else action
        return obs, 1.0, False, False, dict(self.info)


@pytest.fixture
def task_file(tmp_path: Path) -> Path:
    path = tmp_path / f"task_of_{tmp_path.name}.py"
    path.write_text(TASK_FILE)
    return path


def test_actions_are_scaled_by_the_space_s_bounds():
    env = own_task(Still, time_limit=3).make_env()
    env.reset(seed=0)
    for action, reached in ([-1, -1], [0, -3]), ([1, 1], [1, 5]), ([0, 0.5], [0.5, 3]):
        obs, *_ = env.step(np.array(action, np.float32))
        assert obs.dtype == np.float32 and obs.tolist() == reached


def test_actions_within_one_are_left_to_the_bit():
    env = own_task(lambda: Still(action_space=Box(-1, 1, (2,))), time_limit=3).make_env()
    env.reset(seed=0)
    action = np.array([0.1, -0.7], np.float32)
    assert np.array_equal(env.step(action)[0], action)


class InPlace(Still):
    """Hands out its own state, and changes it."""

    def reset(self, *, seed=None, options=None):
        self.state = np.zeros(2, np.float32)
        return self.state, {}

    def step(self, action):
        self.state += 1
        return self.state, 1.0, False, False, {}


def test_an_observation_stays_what_it_was():
    env = own_task(lambda: InPlace(action_space=Box(-1, 1, (2,))), time_limit=3).make_env()
    seen = [env.reset(seed=0)[0], *(env.step(np.zeros(2, np.float32))[0] for _ in range(2))]
    assert [obs[0] for obs in seen] == [0, 1, 2]


def test_a_step_is_a_success_by_the_predicate():
    env = own_task(Still, success=lambda obs, info: obs[0] > 0.7, time_limit=3).make_env()
    env.reset(seed=0)
    assert [env.step(np.array([a, 0], np.float32))[4]["success"] for a in (-1, 1)] == [False, True]


@pytest.mark.parametrize(("least", "solved"), [(3, True), (4, False), (-1, True)])
def test_an_episode_is_a_success_by_its_return_at_its_end(least: float, solved: bool):
    env = own_task(Still, success_return=least, time_limit=3).make_env()
    for _ in range(2):
        env.reset(seed=0)
        assert [env.step(np.zeros(2, np.float32))[4]["success"] for _ in range(3)] == [False, False, solved]


@pytest.mark.parametrize("name", ["success", "is_success"])
def test_an_environment_may_say_itself_what_is_a_success(name: str):
    task = own_task(lambda: Still(info={name: np.float64(1)}), time_limit=3)
    env = task.make_env()
    env.reset(seed=0)
    assert env.step(np.zeros(2, np.float32))[4]["success"] is True and task.score == "success"
    assert task.scored(5.0) is None


def test_without_success_returns_count_and_with_a_reference_d4rl_s_score():
    assert own_task(Still, time_limit=3).scored(-7.5) == -7.5
    by_reference = own_task(Still, time_limit=3, reference=(-10, 30))
    assert by_reference.scored(20) == 75 and by_reference.facts() == {"score": "normalised score", "reference": [-10, 30]}


def test_parts_of_a_dict_are_joined_in_the_order_of_the_keys():
    space = Dict({"at": Box(0, 1, (2,)), "goal": Box(5, 6, (1,)), "picture": Box(0, 255, (4, 4, 3), np.uint8)})
    task = own_task(lambda: Still(space), keys=("goal", "at"), time_limit=3)
    obs, _ = task.make_env().reset(seed=0)
    assert obs.shape == (task.obs_dim,) == (3,) and 5 <= obs[0] <= 6 and obs[1:].max() <= 1


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"action_space": gymnasium.spaces.Discrete(3)}, "its actions are Discrete(3); needed is a flat Box, continuous"),
        ({"action_space": Box(-np.inf, np.inf, (2,))}, "its actions have no bounds"),
        ({"observation_space": Box(0, 255, (8, 8, 3), np.uint8)}, "its observations are images; needed is a flat Box"),
        ({"observation_space": Box(0, 1, (2, 2))}, "needed is a flat Box"),
        ({"observation_space": Dict({"at": Box(0, 1, (2,))})}, "a dict; name those to join, of keys=at"),
        ({"action_space": Box(np.zeros(2), np.array([1.0, 0.0]))}, "needed are lower bounds below the upper ones"),
        ({"seen": np.zeros(3)}, "reset gives an observation of shape [3]; its space has [2]"),
        ({"seen": np.array([0, np.nan])}, "reset gives an observation whose number 1 is nan; a finite one is needed"),
    ],
)
def test_an_environment_that_does_not_fit_is_refused(env: dict, words: str):
    with pytest.raises(ValueError, match=r"^Still: [^\n]*$") as refusal:
        own_task(lambda: Still(**env), time_limit=3)
    assert words in str(refusal.value)


def test_a_time_limit_beyond_the_environment_s_own_is_refused():
    with pytest.raises(ValueError, match=r"^Pendulum-v1: time_limit=500, and its episodes end after 200 steps; .*=500\) makes"):
        own_task(lambda: gymnasium.make("Pendulum-v1"), time_limit=500)
    assert own_task(lambda: gymnasium.make("Pendulum-v1").unwrapped, time_limit=500).time_limit == 500


class Fading(Still):
    """Its second step gives what it was told to."""

    def __init__(self, faults: dict, first: bool = False):
        super().__init__(action_space=Box(-1, 1, (2,)))
        self.faults, self.at = faults, 1 if first else 2

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return [0, 1], {}

    def step(self, action):
        self.steps += 1
        given = {"obs": action, "reward": 1.0, "terminated": False, "truncated": False, "info": {"success": False}}
        given |= self.faults if self.steps == self.at else {}
        if "raised" in given:
            raise given["raised"]
        return tuple(value for value in given.values() if value is not None)


FAULTS = [
    ({"reward": float("nan")}, "gives reward nan; a finite number is needed"),
    ({"reward": np.float32(np.inf)}, "gives reward inf; a finite number is needed"),
    ({"reward": np.ones(2)}, "gives reward array([1., 1.]); a finite number is needed"),
    ({"reward": "much"}, "gives reward 'much'; a finite number is needed"),
    ({"obs": np.zeros(3)}, "gives an observation of shape [3]; its space has [2]"),
    ({"obs": np.float32(0)}, "gives an observation of shape []; its space has [2]"),
    ({"obs": ["a", "b"]}, "gives observation ['a', 'b']; numbers are needed"),
    ({"obs": [0, np.inf]}, "gives an observation whose number 1 is inf; a finite one is needed"),
    ({"truncated": None}, "gives 4 values; needed is (obs, reward, terminated, truncated, info)"),
    ({"terminated": np.zeros(2)}, "gives terminated array([0., 0.]); True or False is needed"),
    ({"info": [1]}, "gives an info that is list, no dict; needed is (obs, reward, terminated, truncated, info)"),
    ({"info": {"success": "no"}}, "gives success 'no'; True or False is needed"),
    ({"info": {"success": np.nan}}, "gives success nan; True or False is needed"),
    ({"info": {"is_success": np.array([True, False])}}, "gives success array([ True, False]); True or False is needed"),
    ({"raised": RuntimeError("it\nexploded")}, "fails, RuntimeError: it exploded"),
]


@pytest.mark.parametrize(("faults", "words"), FAULTS)
def test_a_step_that_goes_wrong_is_one_line_in_the_trial_and_after_it(faults: dict, words: str):
    with pytest.raises(outside.Fault) as fault:
        own_task(lambda: Fading(faults, first=True), time_limit=3)
    assert str(fault.value) == f"Fading: step 1 of an episode {words}"
    env = own_task(lambda: Fading(faults), time_limit=3).make_env()
    for _ in range(2):  # steps are those of an episode
        env.reset(seed=0)
        env.step(np.zeros(2))
        with pytest.raises(outside.Fault) as fault:
            env.step(np.zeros(2))
        assert str(fault.value) == f"Fading: step 2 of an episode {words}"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros(2), "gives ndarray; needed is (obs, info)"),
        ([0, 1], "gives an info that is int, no dict; needed is (obs, info)"),
    ],
)
def test_a_reset_gives_an_observation_and_an_info(monkeypatch: pytest.MonkeyPatch, given, words: str):
    monkeypatch.setattr(Fading, "reset", lambda self, **_: given)
    with pytest.raises(outside.Fault, match=rf"^Fading: reset {re.escape(words)}$"):
        own_task(lambda: Fading({}), time_limit=3)


def test_a_dict_without_one_of_the_keys_is_named(monkeypatch: pytest.MonkeyPatch):
    env = own_task(lambda: Still(Dict({"at": Box(0, 1, (2,)), "goal": Box(5, 6, (1,))})), keys=("at", "goal"), time_limit=3)
    monkeypatch.setattr(Dict, "sample", lambda self: {"at": np.zeros(2)})
    with pytest.raises(
        outside.Fault, match=r"^Still: reset gives an observation that is a dict with at; needed is a dict with at"
    ):
        env.make_env().reset()


def test_numbers_and_flags_may_be_numpy_s_and_arrays_of_one():
    given = {
        "reward": np.array([2]),
        "terminated": np.bool_(False),
        "truncated": np.array([0]),
        "info": {"success": np.float64(1)},
    }
    env = own_task(lambda: Fading(given), time_limit=3).make_env()
    env.reset(seed=0)
    env.step(np.zeros(2))
    _, *flags, info = env.step(np.zeros(2))
    assert flags == [2.0, False, False] and info == {"success": True}


def test_what_the_machine_may_have_done_is_no_fault_of_an_environment():
    for error in (FileNotFoundError(2, "No such file", "mesh.stl"), MemoryError()):
        with pytest.raises(type(error)):
            own_task(lambda error=error: Fading({"raised": error}, first=True), time_limit=3)


def test_a_file_whose_environment_is_refused_can_be_imported(tmp_path: Path):
    text = "import gymnasium\nfrom envs.own import own_task\nfrom tests.envs.test_own import Fading\n"
    (path := tmp_path / "wrong_task.py").write_text(f"{text}own_task(lambda: Fading({{'reward': 'much'}}, True), time_limit=3)")
    with pytest.raises(outside.Fault, match=rf"^{path}: Fading: step 1 of an episode gives reward 'much'; .* \(line 4\)$"):
        find_task(str(path))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gym:CartPole-v1", "CartPole-v1: its actions are Discrete(2)"),
        ("gym:Pendulm-v1", "`Pendulm` doesn't exist. Did you mean: `Pendulum`"),
        ("gym:Pendulum-v1,length=2", "unexpected keyword argument 'length'"),
        ("data:3", "write data:OBSxACTIONS"),
        ("data:3x1,g=9", "write data:OBSxACTIONS"),
        ("data:0x1", "write data:OBSxACTIONS"),
        ("data:3x1,low=2,high=1", "write data:OBSxACTIONS"),
        ("data:3x1,low=a", "write data:OBSxACTIONS"),
        ("gym:Pendulum-v1,success_return=high", "Pendulum-v1: success_return=high is not a number"),
        ("gym:Pendulum-v1,reference=(1,1)", "Pendulum-v1: reference=(1, 1) is not (return of a random policy"),
        ("gym:Pendulum-v1,keys=a", "Pendulum-v1: keys=a are of a dict, and its observations are Box"),
        ("gym:InvertedPendulum-v5,frame_skip=0", "frame_skip=0: its environment fails, ZeroDivisionError: float division by"),
        ("gym:Pendulum-v1,time_limit=0", "gym:Pendulum-v1,time_limit=0: "),
        ("Pendulum-v1", "did you mean gym:Pendulum-v1?"),
        ("nowhere.py", "nowhere.py: no such file in"),
        ("module:json", "module:json: defines no task"),
        ("module:no_such_package", "module:no_such_package: cannot be imported"),
    ],
)
def test_a_name_that_stands_for_no_task_is_refused(name: str, words: str):
    with pytest.raises(ValueError, match=r"^[^\n]*$") as refusal:
        find_task(name)
    assert words in str(refusal.value)


def test_a_task_s_name_says_whether_it_is_the_suite_s():
    names = ("gym:Pendulum-v1,g=9.0", "data:3x2", "./mine.py", "mine.py:TASK", "module:mine")
    assert all(map(outside.is_own_task, names)) and not any(map(outside.is_own_task, TASKS))


def test_a_gymnasium_task_takes_options():
    task = find_task("gym:Pendulum-v1,g=9.0,time_limit=5,success_return=-200")
    assert (task.obs_dim, task.action_dim, task.time_limit, task.facts()) == (3, 1, 5, {"score": "success"})
    env = task.make_env()
    env.reset(seed=0)
    assert env.unwrapped.g == 9 and [env.step(np.zeros(1, np.float32))[3] for _ in range(5)].index(True) == 4
    assert find_task("gym:Pendulum-v1,reference=(-1500,-150),time_limit=5").reference == (-1500, -150)
    assert find_task("gym:HalfCheetah-v5").facts() == {"score": "normalised score", "reference": [-280.178953, 12135.0]}


def test_d4rl_s_hands_are_scored_alike_by_either_name():
    for hand in ("pen", "door", "hammer", "relocate"):
        assert find_task(f"d4rl-{hand}-human").facts()["reference"] == [*REFERENCES[f"adroithand{hand}"]]


def test_data_without_an_environment_are_a_task():
    task = find_task("data:3x2,low=-2,high=2")
    assert (task.obs_dim, task.action_dim, task.simulated, task.low) == (3, 2, False, (-2.0, -2.0))
    with pytest.raises(ValueError, match=r"^data:3x2,low=-2,high=2: there is no environment; --online-steps 0"):
        task.make_env()


def test_a_file_s_task_goes_by_its_path_and_name(task_file: Path):
    high, by_return = (find_task(f"{task_file}:{name}") for name in ("HIGH", "RETURN"))
    assert high.name == f"{task_file}:HIGH" and high.time_limit == 7
    assert by_return.dataset == "rows.npz" and by_return.success_return == -200
    assert high.make_env().unwrapped.g == 9
    with pytest.raises(ValueError, match=rf"^{task_file}: defines several, HIGH, RETURN; name one, as in {task_file}:HIGH$"):
        find_task(str(task_file))


def test_a_file_s_data_may_lie_beside_it(task_file: Path):
    beside = task_file.with_name("rows.npz")
    beside.write_bytes(b"")
    assert find_task(f"{task_file}:RETURN").dataset == str(beside)


def test_one_file_has_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert outside.tidy("./a/../b.py:C") == "a/../b.py:C" and outside.tidy("./b.py") == outside.tidy("b.py") == "b.py"
    assert outside.tidy("module:a.b:C") == "module:a.b:C" and outside.tidy("cube-single-task2") == "cube-single-task2"


def test_a_file_that_another_module_hides_or_that_fails_is_refused(tmp_path: Path):
    for name, text, words in (
        ("json", "", "another module is called json; give the file another name"),
        ("failing_task", "\n1 / 0", "cannot be imported, ZeroDivisionError: division by zero (line 2)"),
        ("leaving_task", "raise SystemExit('bye')", "cannot be imported, SystemExit: bye (line 1)"),
        ("needy_task", "from envs.task import Task\nclass Needy(Task):\n  make_env = load_dataset = None", "give every field"),
    ):
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        with pytest.raises(ValueError, match=rf"^{path}: [^\n]*$") as refusal:
            outside.load_instance(str(path), Task)
        assert words in str(refusal.value)


def test_data_of_one_s_own_are_neither_fetched_nor_generated(tmp_path: Path):
    task = own_task(Still, time_limit=3)
    with pytest.raises(ValueError, match=r"^Still: no server has data for it, there is nothing to fetch$"):
        task.fetch(tmp_path)
    with pytest.raises(ValueError, match=r"^Still: no script makes data for it, there is nothing to generate$"):
        task.generate(tmp_path)


def test_an_environment_that_fails_later_is_refused_with_the_line_that_failed(tmp_path: Path):
    path = tmp_path / "fading_task.py"
    path.write_text(f"{TASK_FILE}\nmade = [make_env()]\nLATER = own_task(lambda: made.pop(), time_limit=7)")
    with pytest.raises(ValueError, match=r"fading_task.py:LATER: its environment cannot be made, IndexError: .* \(line \d+\)$"):
        find_task(f"{path}:LATER").make_env()


def test_a_fingerprint_tells_environments_apart(task_file: Path):
    heavier, plain = find_task(f"{task_file}:HIGH"), find_task("gym:Pendulum-v1,time_limit=7")
    same = find_task("gym:Pendulum-v1,g=9.0,time_limit=7")
    hashes = [physics_fingerprint(task)["hash"] for task in (heavier, same, plain)]
    assert hashes[0] == hashes[1] != hashes[2]
