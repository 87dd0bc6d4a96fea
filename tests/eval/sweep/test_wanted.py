"""What is asked for, and what of it is missing."""

import sys
from pathlib import Path

import pytest

from envs.outside import fingerprint
from eval.results import record
from eval.sweep import wanted
from eval.sweep.__main__ import main
from tables.rates import Rates
from tables.sources.runs import files, load

ROOT = Path(__file__).parents[3]
NOTHING = Rates([], [])


def test_a_table_s_cells_become_jobs_of_one_seed_each_once(monkeypatch, tmp_path):
    keep = {"methods": ["dfp", "mvp"], "tasks": ["cube-double-task2"], "seeds": []}
    lines = wanted.of_tables(["1", "2", "4"], [], [], "paper", keep)
    jobs = wanted.jobs([line for line in lines if "--task cube-double-task2" in " ".join(line.options)], [], NOTHING, 1)
    assert len(jobs) == len({unit for job in jobs for unit in job.units}) == 2 * 5 + 3 * 5, "K = 4 is Table 1's DFP"
    assert {job.part for job in jobs} == {"table 1", "table 4"}
    assert {str(job) for job in jobs if job.method == "dfp" and job.seeds == (0,)} == {
        "DFP cube-double-task2 seed 0",
        *(f"DFP, num_elites {k} cube-double-task2 seed 0" for k in (1, 2, 8)),
    }


def test_a_grid_is_every_combination_and_labels_say_in_what_its_runs_differ():
    settings = ["algo.num_elites=1,2", "algo.elites_offline=true,false", "offline_steps=5"]
    jobs = wanted.jobs(wanted.of_grid(["dfp"], ["probe-chain"], [0, 1], settings, []), [], NOTHING, 2)
    assert [job.label for job in jobs] == [
        "DFP, elites_offline True, num_elites 1",
        "DFP, num_elites 1",
        "DFP, elites_offline True, num_elites 2",
        "DFP, num_elites 2",
    ]
    assert all(job.seeds == (0, 1) and job.task == "probe-chain" and "--seeds" not in job.options for job in jobs)
    assert len({job.folder for job in jobs}) == 4
    assert jobs[0].only([1]).units == jobs[0].units[1:] and jobs[0].only([0, 1]).folder == jobs[0].folder


def test_a_file_of_commands_is_read_as_the_shell_would(tmp_path):
    path = tmp_path / "commands.txt"
    path.write_text("# mine\npython -m eval.run --method mvp --seeds 3 4 --task can --resume\n\n--algo fql --seeds 1  # mine\n")
    lines = [*wanted.of_file(path)]
    assert [line.options for line in lines] == [("--method", "mvp", "--task", "can"), ("--algo", "fql")]
    assert [line.seeds for line in lines] == [(3, 4), (1,)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--method dpf", "unknown method 'dpf'; did you mean dfp"),
        ("--sedes 1", "unknown option '--sedes', did you mean --seeds"),
        ("--task 'can", "No closing quotation"),
        ("--task ./none.py", "none.py"),
    ],
)
def test_a_bad_line_of_a_file_is_named(line, said, tmp_path, capsys):
    (tmp_path / "commands.txt").write_text(f"--task can\n\n{line}\n")
    with pytest.raises(ValueError, match=f"commands.txt line 3: .*{said}"):
        [*wanted.of_file(tmp_path / "commands.txt")]
    assert capsys.readouterr().err == ""


def test_what_a_finished_record_has_is_not_asked_for_again(tiny):
    _, run = tiny("--seeds", "0", "2")
    options = tuple(run.start["command"].split()[3:])
    lines = [wanted.Wanted(wanted.bare(options), (0, 1, 2, 3), "")]
    assert [job.seeds for job in wanted.jobs(lines, [run], NOTHING, 1)] == [(1,), (3,)]
    unfinished = record.Run(run.path, run.start)
    assert [job.seeds for job in wanted.jobs(lines, [unfinished], NOTHING, 3)] == [(0, 1, 2), (3,)]


def test_a_dry_run_lists_what_would_run_and_what_has_a_record():
    options = ("--method", "dfp", "--task", "lift")
    config = wanted.config_of((*options, "--seeds", "0", "2")).to_json()
    run = record.Run(Path("a.jsonl"), {"config": config}, end={"status": "finished"})
    lines = [wanted.Wanted(options, (0, 1, 2, 3), "")]
    have = [*wanted.in_records(lines, [run, record.Run(run.path, run.start)])]
    assert [one.seeds for one in have] == [(0, 2)], "an unfinished one has nothing"
    shown = wanted.listed(wanted.jobs(lines, [run], NOTHING, 1), have).splitlines()[2:]
    assert shown[0].startswith("would run ") and shown[0].rstrip().endswith("1 3")
    assert shown[1].startswith("has a record ") and shown[1].endswith(f"0 2      {run.path}") and len(shown) == 2


def test_a_table_s_runs_are_listed_by_record():
    runs = load(files([ROOT / "records" / "quick"]))
    keep = {"methods": ["dfp"], "tasks": [], "seeds": [1, 3]}
    found = sorted((one.task, one.seeds, one.path.name) for one in wanted.in_tables(["quick"], runs, [], "quick", keep))
    assert found == [
        ("cube-single-task2", (1,), "cube-single-task2-dfp-seeds0-1-2.jsonl"),
        ("cube-single-task2", (3,), "cube-single-task2-dfp-seeds3-4.jsonl"),
        ("lift", (1,), "lift-dfp-seed1.jsonl"),
    ]


def test_a_method_may_be_a_rule_and_a_backbone_in_a_file_too(tmp_path):
    nets = tmp_path / f"nets_{tmp_path.name}.py"
    nets.write_text(
        "from dataclasses import dataclass\nfrom backbones.flow import Flow\n@dataclass(frozen=True)\nclass Mine(Flow): ...\n"
    )
    jobs = wanted.jobs(wanted.of_grid(["dfp", "fql+shortcut", f"dfp+{nets}"], ["probe-chain"], [0], [], []), [], NOTHING, 1)
    assert [job.method for job in jobs] == ["dfp", "fql-shortcut", f"dfp-{nets}"]
    assert len({job.units for job in jobs}) == 3


def test_a_file_that_was_edited_makes_other_work(tmp_path):
    nets = tmp_path / f"edited_{tmp_path.name}.py"
    nets.write_text(
        "from dataclasses import dataclass\nfrom backbones.flow import Flow\n@dataclass(frozen=True)\nclass Mine(Flow): ...\n"
    )
    options = ("--backbone", str(nets), "--task", "probe-chain")
    start = {"config": wanted.config_of(options).to_json(), "files": {str(nets): fingerprint(str(nets))}}
    run = record.Run(Path("a.jsonl"), start, end={"status": "finished"})
    lines = [wanted.Wanted(options, (0,), "")]
    before = wanted.jobs(lines, [], NOTHING, 1)
    assert not wanted.jobs(lines, [run], NOTHING, 1) and len([*wanted.in_records(lines, [run])]) == 1
    nets.write_text(nets.read_text() + "# edited\n")
    (job,) = wanted.jobs(lines, [run], NOTHING, 1)
    assert [job.units] != [other.units for other in before] and not [*wanted.in_records(lines, [run])]


def test_the_suite_s_own_work_keeps_its_names():
    lines = [wanted.Wanted(("--method", "dfp", "--task", "lift"), (0,), "")]
    assert wanted.jobs(lines, [], NOTHING, 1)[0].units == ("df8328b9ffb80aa9-0",)


def test_what_runs_is_not_said_by_settings():
    with pytest.raises(ValueError, match="--set seeds=3: what runs on what is said by --methods, --tasks, --seeds"):
        wanted.values("seeds=3")


@pytest.mark.parametrize("setting", ["algo.num_elites", "=3", "algo.num_elites="])
def test_a_setting_without_name_or_value_is_refused(setting):
    with pytest.raises(ValueError, match="write name=value"):
        wanted.values(setting)


def test_hours_are_those_of_this_machine_or_else_of_its_kind_scaled_by_steps(tiny):
    _, run = tiny("--seeds", "0", "2")
    one = (run.seconds or 0) / 2 / 3600
    rates = Rates([run], [])
    options = [*wanted.bare(run.start["command"].split()[3:]), "--offline-steps", "20"]  # 20 + 8 steps for 6 + 8
    lines = [wanted.Wanted(tuple(options), (0, 1), "")]
    for here in (run.start["device"], "cpu, another"):
        (job,) = wanted.jobs(lines, [], rates, 2, here)
        assert job.hours == pytest.approx(2 * 2 * one) and job.machines == {run.start["device"]: job.hours}
    assert wanted.jobs(lines, [], rates, 2, "")[0].hours is None, "nothing is known of a GPU"
    assert wanted.jobs(lines, [], NOTHING, 2)[0].hours is None


@pytest.mark.parametrize(("engine", "module"), [("ray", "ray"), ("slurm", "submitit")])
def test_an_engine_is_imported_when_it_is_asked_for_and_a_missing_one_is_a_line(engine, module, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"eval.sweep.engines.on_{engine}", raising=False)
    words = ["--methods", "dfp", "--tasks", "probe-chain", "--engine", engine, "--runs", str(tmp_path / "runs")]
    with pytest.raises(ImportError, match=rf"^\w+ is not installed: pip install -c constraints.txt -e '.\[{engine}\]'$"):
        main(words)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "say what to run"),
        ("quick --from x", "one of the three"),
        ("--methods dfp", "a grid needs --methods and --tasks"),
        ("1 --set a=1", "--set is for a grid"),
        ("11", "unknown table '11'"),
        ("1 --methods dpf", "--methods dpf: no line of table 1 has it; did you mean dfp"),
        ("1 2 --methods zzz", "no line of table 1 or 2 has it; there are bfn, qc-bfn"),
        ("1 --tasks cube-dobule-task2", "--tasks cube-dobule-task2: no line of table 1 has it; did you mean cube-double-task2"),
        ("--from x --seeds 0-4", "--seeds: a line of x has its own"),
        ("--from x --preset laptop", "--preset: a line of x has its own"),
        ("1 --gpus 4", "--gpus: is for --engine ray or slurm, and this sweep has --engine local"),
        ("1 --hours 3", "--hours: is for --engine slurm"),
        ("1 --slurm a=b", "--slurm: is for --engine slurm"),
        ("1 --seeds 0 0-1", "seeds 0 0 1: one or more different numbers"),
        ("1 --address foo", "--address: is for --engine ray"),
        ("1 --engine ray --parallel 4", "--parallel: is for --engine local"),
        ("1 --engine slurm --gpus 0.5", "Slurm gives whole ones"),
        ("--methods dpf --tasks lift", "did you mean dfp"),
    ],
)
def test_what_makes_no_sweep_is_refused_in_a_line(words, said):
    with pytest.raises(ValueError, match=said):
        main([*words.split(), "--dry-run"])


@pytest.mark.parametrize("seeds", ["1-x", "4-0", "-1"])
def test_what_is_no_range_of_seeds_is_refused(seeds, capsys):
    with pytest.raises(SystemExit):
        main(["--methods", "dfp", "--tasks", "lift", f"--seeds={seeds}", "--dry-run"])
    assert f"'{seeds}' is neither a whole number nor a range as 0-4" in capsys.readouterr().err


def test_a_line_of_a_file_may_have_a_range_of_seeds(tmp_path):
    (tmp_path / "commands.txt").write_text("--task probe-chain --seeds 0-2\n")
    (line,) = wanted.of_file(tmp_path / "commands.txt")
    assert line.seeds == (0, 1, 2) and line.options == ("--task", "probe-chain")
