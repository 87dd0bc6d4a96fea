"""A kept policy as one graph, for a robot: `python -m eval.export RUN --out policy.onnx`.

The graph takes `obs` [n, obs_dim] and standard normal `noise`, both float32 with any n, and gives `chunk` [n, H, action_dim] in
[-1, 1]. Its part `choice` is all that evaluation does: noise [n, N', size], the best of N' candidates by the critic. The part
`actor` is one sample: noise [n, 1, size]. A file's ending says its format, `.onnx`, or `.pt2` or `.pt` for torch's exported
program; in its metadata stands where it comes from. What is written agrees with the policy on 1,000 random observations.
"""

import io
import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from algos import select
from algos.learner import Actor
from algos.qgbs import QGBS
from envs.command import Parser, first_line, import_extra, run_command
from envs.files.whole import staged
from eval.policy import Policy, load
from eval.results.again import add_policy, place
from eval.results.record import identity

Part = Literal["choice", "actor"]
Function = Callable[[Tensor, Tensor], Tensor]  # obs and noise to chunks
CHECKED, TOLERANCE = 1000, 1e-5
TIES = 5  # of the checked: candidates that the critic values alike are chosen by rounding


class Agreement(NamedTuple):
    """Of a graph with the policy: the greatest difference from any candidate, and how often it takes the same one."""

    difference: float
    same: int


class Choice(nn.Module):
    """An actor as a module: obs and noise to chunks."""

    def __init__(self, actor: Actor):
        super().__init__()
        self.choose, self.networks = actor.choose, nn.ModuleDict(actor.modules)

    def forward(self, obs: Tensor, noise: Tensor) -> Tensor:
        return self.choose(obs, noise)


def part_of(policy: Policy, part: Part) -> Actor:
    """The policy's actor, or one that acts by a single sample. ValueError for a choice that a graph cannot repeat."""
    if part == "actor":
        return one_sample(policy.actor)
    algo: Any = policy.actor.algorithm
    if isinstance(algo, QGBS):
        raise ValueError(f"{policy.about.path}: it searches along gradients, which no graph repeats; take --part actor")
    if policy.actor.noise_shape()[0] > 1 and getattr(algo, "ranking", "float32") != "float32":
        raise ValueError(f"{policy.about.path}: it ranks in {algo.ranking}, which no graph repeats; take --part actor")
    return policy.actor


def one_sample(actor: Actor) -> Actor:
    """The same networks, acting by a single sample."""
    algo: Any = actor.algorithm.algorithm if isinstance(actor.algorithm, QGBS) else actor.algorithm
    return actor.by(select.one_sample(algo))


def examples(actor: Actor, obs_dim: int, n: int) -> tuple[Tensor, Tensor]:
    """Random observations and noise."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, obs_dim, generator=generator), torch.randn(n, *actor.noise_shape(), generator=generator)


def trace(actor: Actor, obs_dim: int) -> Any:
    """The actor as torch's exported program, by torch's own products: oneDNN's are on no other machine."""
    many = torch.export.Dim("n", min=1, max=2**20)
    with torch.no_grad(), warnings.catch_warnings(action="ignore"), torch.backends.mkldnn.flags(enabled=False):
        return torch.export.export(Choice(actor).eval(), examples(actor, obs_dim, 2), dynamic_shapes=({0: many}, {0: many}))


def to_onnx(program: Any, about: dict[str, Any]) -> bytes:
    """As an onnx file."""
    onnx, _ = (import_extra(name, "export") for name in ("onnx", "onnxscript"))
    logging.disable(logging.WARNING)  # torch names every package that it would also know
    try:
        with warnings.catch_warnings(action="ignore"):
            exported: Any = torch.onnx.export(program, input_names=["obs", "noise"], output_names=["chunk"], verbose=False)
    finally:
        logging.disable(logging.NOTSET)
    model = exported.model_proto
    onnx.helper.set_model_props(model, {"policy": json.dumps(about, separators=(",", ":"))})
    return model.SerializeToString()


def to_torch(program: Any, about: dict[str, Any]) -> bytes:
    """As torch.export saves it; `torch.export.load(path).module()(obs, noise)` runs it."""
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={"policy": json.dumps(about)})
    return file.getvalue()


def from_onnx(data: bytes) -> Function:
    """What onnxruntime computes of it, by one thread."""
    onnxruntime = import_extra("onnxruntime", "export")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return lambda obs, noise: torch.from_numpy(session.run(["chunk"], {"obs": obs.numpy(), "noise": noise.numpy()})[0])


def from_torch(data: bytes) -> Function:
    return torch.export.load(io.BytesIO(data)).module()


class Format(NamedTuple):
    """How a graph becomes a file and is read again, and the packages that this takes."""

    write: Callable[[Any, dict[str, Any]], bytes]
    read: Callable[[bytes], Function]
    packages: tuple[str, ...] = ()


TORCH = Format(to_torch, from_torch)
FORMATS = {".onnx": Format(to_onnx, from_onnx, ("onnx", "onnxscript", "onnxruntime")), ".pt2": TORCH, ".pt": TORCH}


def format_of(out: Path) -> Format:
    """What the file's ending says. ValueError where it says nothing, ImportError where a package of the format is missing."""
    if out.suffix not in FORMATS:
        raise ValueError(f"{out}: its ending says the format, one of {', '.join(FORMATS)}")
    for package in FORMATS[out.suffix].packages:
        import_extra(package, "export")
    return FORMATS[out.suffix]


@torch.no_grad()
def compare(function: Function, actor: Actor, obs_dim: int) -> Agreement:
    """A graph's chunks beside the candidates, each of which the actor generates where there is no other."""
    obs, noise = examples(actor, obs_dim, CHECKED)
    found, chosen = function(obs, noise), actor.choose(obs, noise)
    candidates = [actor.choose(obs, noise[:, [i]]) for i in range(noise.shape[1])]
    nearest = torch.stack([(found - candidate).abs().amax((1, 2)) for candidate in candidates]).amin(0)
    return Agreement(float(nearest.max()), int(((found - chosen).abs().amax((1, 2)) < 1e-3).sum()))


def main() -> None:
    parser = Parser(prog="python -m eval.export", description=first_line(__doc__))
    add_policy(parser)
    parser.add_argument("--part", choices=get_args(Part), default="choice", help="choice: as evaluated; actor: one sample")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=f"ends in {', '.join(FORMATS)}, by its format")
    options = parser.parse_args()
    write, read, _ = format_of(options.out)
    policy = load(options.run, options.phase, options.seed)
    actor, obs_dim = part_of(policy, options.part), policy.task.obs_dim
    shapes = {"obs": [obs_dim], "noise": list(actor.noise_shape()), "chunk": [actor.algorithm.horizon, policy.task.action_dim]}
    about = {
        "record": identity(policy.about.run),
        **place(policy.about),
        "part": options.part,
        **shapes,
        "config": policy.config.to_json(),
    }
    with staged(options.out) as (whole,):
        data = write(trace(actor, obs_dim), about)
        agreement = compare(read(data), actor, obs_dim)
        if agreement.difference > TOLERANCE or agreement.same < CHECKED - TIES:
            raise ValueError(f"{options.out}: it differs from the policy by {agreement.difference:.1g}, {agreement.same} alike")
        whole.write_bytes(data)
    words = ", ".join(f"{name} [n, {', '.join(map(str, shape))}]" for name, shape in shapes.items())
    print(f"{options.out}: {words}, {len(data) / 1e6:.2f} MB")
    print(
        f"on {CHECKED} random observations: the same candidate in {agreement.same}, max difference {agreement.difference:.1g}"
    )


if __name__ == "__main__":
    run_command(main)
