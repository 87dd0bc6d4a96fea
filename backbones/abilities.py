"""What some families can do beyond fitting and sampling. A rule names the one that it needs (`Algorithm.needs`)."""

from abc import ABC, abstractmethod

from torch import Tensor

from backbones.base import Network, Noise


class Velocity(ABC):
    """Its policy is a flow: dx/dt = v(s, x, t) carries noise at t = 0 to an action at t = 1."""

    @abstractmethod
    def velocity(self, net: Network, obs: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """v(s, x, t): obs [..., obs_dim], x [..., a] and t [..., 1] to [..., a]."""


class Density(ABC):
    """The likelihood of its samples is known."""

    @abstractmethod
    def sample_with_log_prob(self, net: Network, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The actions that `sample` gives [..., a] and their log pi(a|s) [...], both with gradient to the network."""

    @abstractmethod
    def log_prob(self, net: Network, obs: Tensor, action: Tensor) -> Tensor:
        """log pi(a|s) of given actions [..., a]: [...]."""


class Score(ABC):
    """It predicts the noise in noisy actions x_t = alpha_t a + sigma_t noise: -e(s, x_t, t) / sigma_t is their score."""

    @abstractmethod
    def noise_error(self, net: Network, obs: Tensor, action: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """e(s, x_t, t) - noise [..., a] and sigma_t [..., 1] at the (noise, t) that `draw` drew for each action [..., a]."""
