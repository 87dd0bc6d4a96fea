"""Runs that begin where another one's offline phase ended."""

import os
import signal

import pytest
import torch
from torch.utils._pytree import tree_leaves

from eval.results import record
from eval.running.train import Training

OPTIONS = "--seeds 0 1 --algo.final-rate 0.1".split()
OTHER = "--algo.elite-weight 5 --algo.num-elites 1 --online-share 0.5 --online-steps 11".split()


def learned(run) -> list:
    state = torch.load(run.path.with_name("checkpoint.pt"), weights_only=True)["learner"]
    return [*tree_leaves([state[name] for name in ("params", "slow", "moments", "generators")]), torch.tensor(state["rate"])]


def told(run) -> list:
    return [run.evaluations, run.metrics]


@pytest.fixture
def source(tiny):
    _, run = tiny(*OPTIONS)
    return run


@pytest.mark.parametrize("changes", [OTHER, ["--method", "dfp-no-top-k"]], ids=["another lambda, K, batch", "without top-K"])
def test_it_equals_a_run_that_made_the_phase_itself(tiny, source, changes):
    _, whole = tiny(*OPTIONS, *changes)
    code, run = tiny(*OPTIONS, *changes, "--offline-from", str(source.path.parent))
    assert code == 0 and run.status == "finished" and told(run) == told(whole)
    assert all(torch.equal(a, b) for a, b in zip(learned(run), learned(whole), strict=True))
    assert run.start["config"] == whole.start["config"] and "offline_from" not in whole.start
    assert run.start["offline_from"]["record"] == record.identity(source.start) and not run.clock
    _, next_one = tiny(*OPTIONS, *changes, "--offline-from", str(run.path.parent))
    assert told(next_one) == told(whole) and next_one.start["offline_from"] == run.start["offline_from"]


@pytest.mark.parametrize("lost", [[], ["checkpoint.pt"], ["checkpoint.pt", "offline.pt"]], ids=str)
def test_it_is_resumed_like_any_other(tiny, tiny_options, source, refused, tmp_path, monkeypatch, lost):
    """Also after a kill before it had saved."""
    again = [*OPTIONS, *OTHER, "--offline-from", str(source.path.parent)]
    _, whole = tiny(*again)

    def stop(self, step):
        os.kill(os.getpid(), signal.SIGTERM)
        return step_and_update(self, step)

    step_and_update = Training._explore_and_update
    with monkeypatch.context() as patch:
        patch.setattr(Training, "_explore_and_update", stop)
        code, stopped = tiny(*again)
    assert code == 128 + signal.SIGTERM
    for name in lost:
        (stopped.path.parent / name).unlink()
    if "offline.pt" in lost:
        options = [*tiny_options, "--runs", str(tmp_path / "runs"), *again, "--resume"]
        assert "start a new run with --offline-from, without --resume" in refused(*options)
        return
    code, run = tiny(*again, "--resume")
    assert code == 0 and run.path == stopped.path and told(run) == told(whole)


def test_one_that_began_elsewhere_is_not_resumed(tiny, tiny_options, source, refused, tmp_path):
    _, other = tiny(*OPTIONS, *OTHER)
    _, begun = tiny(*OPTIONS, *OTHER, "--offline-from", str(source.path.parent))
    begun.path.write_text("".join(begun.path.read_text().splitlines(keepends=True)[:-1]))  # as if it had not ended
    options = [*tiny_options, "--runs", str(tmp_path / "runs"), *OPTIONS, *OTHER, "--resume"]
    message = refused(*options, "--offline-from", str(other.path.parent))
    assert "no unfinished run with that offline phase" in message
    assert "nowhere" in refused(*options, "--offline-from", str(tmp_path / "nowhere"))
    again, run = tiny(*OPTIONS, *OTHER, "--resume", "--offline-from", str(source.path.parent))
    assert again == 0 and run.path == begun.path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["--algo.learning-rate", "0.002"], "is of another configuration: its algo.learning_rate is 0.001, here 0.002"),
        (["--method", "mvp"], "its backbone"),
        (["--seeds", "0"], "its seeds is [0, 1], here [0]"),
        (["--algo.elites-offline"], "its algo.elites_offline is False, here True"),
        (["--eval-every", "3"], "its eval_every is 4, here 3"),
        (["--online-steps", "0"], "this run has no online phase"),
    ],
)
def test_another_offline_phase_is_refused(tiny_options, source, refused, tmp_path, changes, said):
    runs = ["--runs", str(tmp_path / "runs")]
    assert said in refused(*tiny_options, *runs, *OPTIONS, *changes, "--offline-from", str(source.path.parent))


def test_the_offline_phase_of_an_older_version_means_defaults(tiny, tiny_options, source, refused, tmp_path):
    path = source.path.with_name("offline.pt")
    state = torch.load(path, weights_only=True)
    del state["config"]["normalize_obs"], state["config"]["algo"]["max_grad_norm"]
    torch.save(state, path)
    begin = [*OPTIONS, "--offline-from", str(source.path.parent)]
    other = [*tiny_options, "--runs", str(tmp_path / "runs"), *begin, "--algo.max-grad-norm", "0.5"]
    assert "its algo.max_grad_norm is 0.0, here 0.5" in refused(*other)
    assert tiny(*begin)[0] == 0


def test_a_folder_without_a_whole_offline_phase_is_refused(tiny, tiny_options, source, refused, tmp_path):
    options = [*tiny_options, "--runs", str(tmp_path / "runs"), "--offline-from"]
    assert "nowhere" in refused(*options, str(tmp_path / "nowhere"))
    _, alone = tiny(*OPTIONS, "--protocol", "offline")
    assert not alone.path.with_name("offline.pt").exists(), "no run could use it"
    (source.path.parent / "offline.pt").write_bytes(b"damaged")
    assert refused(*options, str(source.path.parent)).endswith("offline.pt: not a readable checkpoint (UnpicklingError)")
    (source.path.parent / "offline.pt").unlink()
    assert "no offline.pt there" in refused(*options, str(source.path.parent))
