"""Pictures of what a kept policy does: `python -m eval.video RUN --out failures.mp4 failures.gif strip.png`.

Shown are episodes of the recorded evaluation, run again: the same resets, the same noise. A png is a strip of frames, a line an
episode. Each file says in its metadata what it shows: the record, the policy, the camera, the episodes. Neither display nor GPU
is needed, but one of MuJoCo's two renderers without them: Mesa's EGL or OSMesa.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from envs.command import Parser, first_line, import_extra, positive, run_command
from envs.files.whole import staged
from envs.task import SuccessTiming, Task
from eval.policy import Policy, load
from eval.results.policy import kept
from eval.results.record import PHASES, identity
from eval.running.rollout import Episode, Rollout, act

SIZE = 320, 240  # width and height of a frame
EVERY, RATE = 2, 10  # every second step is shown, ten frames a second: as fast as the suites' robots move
COLUMNS = 6  # frames of an episode in a strip
SHOWN = "failures", "successes", "both", "first"
SUFFIXES = ".mp4", ".gif", ".png"
ENDS = ".mp4", ".png"  # what `eval.run --video` leaves of each phase
TRIAL = """import mujoco
model = mujoco.MjModel.from_xml_string("<mujoco/>")
with mujoco.Renderer(model, 8, 8) as renderer:
    renderer.update_scene(mujoco.MjData(model))
    renderer.render()"""


class Film(NamedTuple):
    """An episode, and what was seen of it: frames [height, width, 3] u8."""

    episode: Episode
    frames: list[np.ndarray]


def find_renderer() -> str:
    """MuJoCo's name of a renderer that works here, found by trying. ImportError in one line when none does."""
    for name in ("egl", "osmesa"):
        if not subprocess.run(
            [sys.executable, "-c", TRIAL], env=os.environ | {"MUJOCO_GL": name}, capture_output=True
        ).returncode:
            return name
    raise ImportError(
        "no renderer here: MuJoCo draws by EGL or OSMesa; `apt-get install libegl1` or `apt-get install libosmesa6`"
    )


def open_renderer() -> None:
    """Has MuJoCo draw in this process, which must not have loaded it: suites turn drawing off when they load it first."""
    os.environ["MUJOCO_GL"] = find_renderer()
    import mujoco  # noqa: F401


def check_files(paths: Sequence[Path]) -> None:
    """ValueError for a file that is no picture, ImportError for one that needs a package which is not here."""
    for path in paths:
        if path.suffix not in SUFFIXES:
            raise ValueError(f"{path}: pictures end in {', '.join(SUFFIXES)}")
    if any(path.suffix == ".mp4" for path in paths):
        import_extra("imageio_ffmpeg", "video")


def episodes_of(policy: Policy) -> list[Episode]:
    """The recorded evaluation."""
    outcomes = zip(*(policy.about.evaluation[name] for name in ("success", "return", "length")), strict=True)
    return [Episode(policy.about.seed, i, bool(success), *rest) for i, (success, *rest) in enumerate(outcomes)]


def choose(episodes: Sequence[Episode], show: Sequence[str], count: int) -> list[Episode]:
    """Failures or successes first, one of each, the first, or those with these numbers. ValueError for what is not there."""
    solved, failed = ([e for e in episodes if e.success is value] for value in (True, False))
    match show:
        case ["failures"]:
            return [*failed, *solved][:count]
        case ["successes"]:
            return [*solved, *failed][:count]
        case ["both"]:
            return [*solved[:1], *failed[:1]]
        case ["first"]:
            return list(episodes[:count])
    numbers = {str(e.episode): e for e in episodes}
    if missing := [word for word in show if word not in numbers]:
        raise ValueError(f"show {missing[0]}: there are {', '.join(SHOWN)}, and numbers of episodes that were evaluated")
    return [numbers[word] for word in show]


def film(policy: Policy, episode: int, timing: SuccessTiming) -> Film:
    """An evaluation episode of the policy, seen by the task's camera."""
    import mujoco

    env = policy.task.make_env(timing)
    rollout = Rollout(env, policy.about.seed, episode)
    model, data = policy.task.scene(env)
    model.vis.global_.offwidth, model.vis.global_.offheight = SIZE
    model.vis.quality.shadowsize = 1024  # 4096, the default, takes seconds a frame without a GPU
    seen = mujoco.MjvOption()
    for group in policy.task.unseen:
        seen.geomgroup[group] = 0
    frames: list[np.ndarray] = []
    with mujoco.Renderer(model, SIZE[1], SIZE[0]) as renderer:
        renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0

        def look() -> None:
            renderer.update_scene(data, policy.task.camera, seen)
            frames.append(renderer.render())

        look()
        while not rollout.done:
            for action in act(policy.actor, rollout.obs[None], [rollout.rng()])[0]:
                rollout.follow(action[None])
                if rollout.done or rollout.length % EVERY == 0:
                    look()
                if rollout.done:
                    break
    env.close()
    return Film(rollout.outcome(), frames)


def write(path: Path, films: Sequence[Film], about: dict[str, Any]) -> None:
    """The films in turn, or a strip of them, with `about` in the file's metadata."""
    text = json.dumps(about, separators=(",", ":"))
    if path.suffix == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_text("policy", text)
        strip(films).quantize(128).save(path, pnginfo=info, optimize=True)
        return
    frames = [labelled(frame, film.episode) for film in films for frame in [*film.frames, *film.frames[-1:] * (RATE // 2)]]
    if path.suffix == ".gif":
        first, *rest = (frame.quantize(64) for frame in frames)
        first.save(path, save_all=True, append_images=rest, duration=1000 // RATE, loop=0, comment=text.encode(), optimize=True)
        return
    writer = import_extra("imageio_ffmpeg", "video").write_frames(
        str(path), SIZE, fps=RATE, output_params=["-metadata", f"comment={text}"]
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.asarray(frame).tobytes())
    writer.close()


def strip(films: Sequence[Film]) -> Image.Image:
    """A line an episode, its frames evenly spread from the first to the last."""
    whole = Image.new("RGB", (COLUMNS * SIZE[0] // 2, len(films) * SIZE[1] // 2))
    for line, one in enumerate(films):
        for column, index in enumerate(np.linspace(0, len(one.frames) - 1, COLUMNS).round().astype(int)):
            frame = Image.fromarray(one.frames[index])
            small = (labelled(frame, one.episode) if column == 0 else frame).resize((SIZE[0] // 2, SIZE[1] // 2))
            whole.paste(small, (column * SIZE[0] // 2, line * SIZE[1] // 2))
    return whole


def labelled(frame: Image.Image | np.ndarray, episode: Episode) -> Image.Image:
    """The frame with the episode's number and outcome in its corner."""
    image = frame.copy() if isinstance(frame, Image.Image) else Image.fromarray(frame)
    text = f"episode {episode.episode}: {'success' if episode.success else 'failure'}"
    ImageDraw.Draw(image).text((8, 6), text, "white", ImageFont.load_default(20), stroke_width=2, stroke_fill="black")
    return image


def show(policy: Policy, episodes: Sequence[Episode], timing: SuccessTiming, paths: Sequence[Path]) -> list[str]:
    """Runs these episodes again and writes what is seen, all files or none; says where one came out otherwise."""
    if not policy.task.camera:
        raise ValueError(f"{policy.task.name}: there is nothing to see")
    with ExitStack() as stack:
        whole = [stack.enter_context(staged(path))[0] for path in paths]
        films = [film(policy, e.episode, timing) for e in episodes]
        about = {
            "record": identity(policy.about.run),
            **{name: getattr(policy.about, name) for name in ("seed", "phase", "step")},
            "task": policy.task.name,
            "camera": policy.task.camera,
            "episodes": [{"episode": f.episode.episode, "success": f.episode.success} for f in films],
        }
        for path in whole:
            write(path, films, about)
    pairs = zip(episodes, (f.episode for f in films), strict=True)
    return [
        f"episode {a.episode}: {outcome(b)} after {b.length} steps, before it was {outcome(a)} after {a.length} (rounding?)"
        for a, b in pairs
        if (a.success, a.length) != (b.success, b.length)
    ]


def outcome(episode: Episode) -> str:
    return "success" if episode.success else "failure"


def refuse_undrawable(task: Task, keep: str) -> None:
    """ValueError or ImportError in one line for a run whose policies cannot be shown at its end."""
    if keep == "none":
        raise ValueError("--video shows policies that were kept; --keep-policies none keeps none")
    if not task.camera:
        raise ValueError(f"{task.name}: there is nothing to see")
    check_files([Path(f"video{suffix}") for suffix in ENDS])
    find_renderer()


def show_ends(folder: Path) -> list[Path]:
    """Files in a run's folder that show a success and a failure at each phase's end."""
    shown = []
    for phase in [phase for phase in PHASES if any(about.phase == phase for about in kept(folder))]:
        paths = [folder / f"{phase}{suffix}" for suffix in ENDS]
        choice = ["--phase", phase, "--show", "both", "--out", *map(str, paths)]
        draw_apart([str(folder), *choice])
        shown += paths
    return shown


def draw_apart(options: Sequence[str]) -> None:
    """This command in a process of its own, since this one has loaded MuJoCo without a renderer."""
    subprocess.run([sys.executable, "-m", "eval.video", *options], check=True)


def add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--show",
        nargs="+",
        default=["failures"],
        help="episodes to show: failures (first, the default), successes (first), both (one of each), first, or their numbers",
    )
    parser.add_argument("--count", type=positive, default=3, help="of failures, successes or first episodes (default: 3)")


def main() -> None:
    parser = Parser(prog="python -m eval.video", description=first_line(__doc__))
    parser.add_argument("run", type=Path, help="a run's folder, a folder of runs (its newest) or a policy file")
    parser.add_argument("--out", type=Path, nargs="+", required=True, metavar="FILE", help="files ending in .mp4, .gif or .png")
    parser.add_argument("--phase", choices=PHASES, help="default: the last that was kept")
    parser.add_argument("--seed", type=int, help="default: the run's first")
    add_show(parser)
    options = parser.parse_args()
    check_files(options.out)
    open_renderer()
    policy = load(options.run, options.phase, options.seed)
    episodes = choose(episodes_of(policy), options.show, options.count)
    for line in show(policy, episodes, policy.config.success_timing, options.out):
        print(line, file=sys.stderr)
    print(*options.out)


if __name__ == "__main__":
    run_command(main)
