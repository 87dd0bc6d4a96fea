"""Episodes as pictures: what the task's camera sees, and files of it.

Neither display nor GPU is needed, but one of MuJoCo's two renderers without them: Mesa's EGL or OSMesa. Which is loaded with
MuJoCo, so a process that draws opens it first.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from envs.command import import_extra
from envs.task import SuccessTiming
from eval.policy import Policy
from eval.running.rollout import Episode, Rollout, act

SIZE = 320, 240  # width and height of a frame
EVERY, RATE = 2, 10  # every second step is shown, ten frames a second: as fast as the suites' robots move
COLUMNS, CELL = 6, (200, 150)  # frames of an episode in a strip, and their size there
FEW = Image.Quantize.FASTOCTREE  # how colours become few: it keeps those of small things
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
        strip(films).quantize(256, FEW).save(path, pnginfo=info, optimize=True)
        return
    frames = [labelled(frame, film.episode) for film in films for frame in [*film.frames, *film.frames[-1:] * (RATE // 2)]]
    if path.suffix == ".gif":
        first, *rest = (frame.quantize(64, FEW, dither=Image.Dither.NONE) for frame in frames)
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
    whole = Image.new("RGB", (COLUMNS * CELL[0], len(films) * CELL[1]))
    for line, one in enumerate(films):
        for column, index in enumerate(np.linspace(0, len(one.frames) - 1, COLUMNS).round().astype(int)):
            frame = labelled(one.frames[index], one.episode) if column == 0 else Image.fromarray(one.frames[index])
            whole.paste(frame.resize(CELL, Image.Resampling.LANCZOS), (column * CELL[0], line * CELL[1]))
    return whole


def labelled(frame: np.ndarray, episode: Episode) -> Image.Image:
    """The frame with the episode's number and outcome in its corner."""
    image = Image.fromarray(frame)
    text = f"episode {episode.episode}: {outcome(episode)}"
    ImageDraw.Draw(image).text((8, 6), text, "white", ImageFont.load_default(20), stroke_width=2, stroke_fill="black")
    return image


def outcome(episode: Episode) -> str:
    return "success" if episode.success else "failure"
