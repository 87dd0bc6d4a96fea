"""A backbone of your own: a family of policies pi(a|s). As it stands: regression with a little noise. Called mine.py:

python -m eval.run --backbone ./mine.py --algo dfp --task probe-bandit --horizon 1     a first run, seconds
python -m eval.run --backbone ./mine.py --help                                         its options, too
python -m pytest CHECKOUT/tests --backbone ./mine.py                                   what every backbone keeps

Shapes: B states, P positives a state, a = horizon x actions, one flattened chunk. Every function is deterministic given its
noise, is written for one seed, and never mentions the device.
"""

from dataclasses import dataclass

from torch import Generator, Tensor, nn

from backbones.base import Info, Network, Noise, PerPositive, normal, option
from backbones.nets import MLP


@dataclass(frozen=True)
class Mine(PerPositive):
    """L = |f(s, 0.1 eps) - a|^2 with eps ~ N(0, I), and a = f(s, 0.1 eps)."""

    unimodal = True  # pi(.|s) has one mode by construction; without this line the tests ask for two

    spread: float = option(0.1, "how much noise the network sees")  # an option: --backbone.spread, with this text in --help

    def network(self, obs_dim: int, action_dim: int) -> nn.Module:
        """The module to train. An MLP joins what it is called with on the last axis; leading axes broadcast."""
        return MLP(obs_dim + action_dim, action_dim, self.width, self.depth, layer_norm=False)

    def draw(self, generator: Generator, batch: int, positives: int, action_dim: int) -> Noise:
        """The random numbers of `errors`, by `normal` and `uniform` of backbones.base."""
        return {"eps": normal(generator, batch, positives, action_dim)}

    def errors(self, net: Network, obs: Tensor, positives: Tensor, noise: Noise) -> tuple[Tensor, Info]:
        """The error at each target action: obs [B, 1, obs_dim], positives [B, P, a] to [B, P], and scalars to record."""
        error = (net(obs, self.spread * noise["eps"]) - positives).square().mean(-1)
        return error, {"mine_error": error.detach().mean()}

    def sample(self, net: Network, obs: Tensor, noise: Tensor) -> Tensor:
        """An action in [-1, 1] for each standard normal noise: obs [..., obs_dim], noise [..., a], leading axes broadcast."""
        return net(obs, self.spread * noise).clamp(-1, 1)
