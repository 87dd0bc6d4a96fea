"""What some families can do beyond fitting and sampling. A rule names the one that it needs (`Algorithm.needs`)."""

from abc import ABC, abstractmethod

from torch import Tensor

from backbones.base import Network, Noise


class Velocity(ABC):
    """Its policy is a flow: dx/dt = v(s, x, t) carries noise at t = 0 to an action at t = 1."""

    @abstractmethod
    def velocity(self, net: Network, obs: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """v(s, x, t): obs [..., obs_dim], x [..., a] and t [..., 1] to [..., a]."""


class MeanVelocity(Velocity):
    """It knows where its flow leads: x + (t - r) u(s, x, r, t) is at t what x is at r. Over no time u is the velocity."""

    @abstractmethod
    def mean_velocity(self, net: Network, obs: Tensor, x: Tensor, r: Tensor, t: Tensor) -> Tensor:
        """u(s, x, r, t): obs [..., obs_dim], x [..., a] and r <= t [..., 1] to [..., a]."""

    def velocity(self, net: Network, obs: Tensor, x: Tensor, t: Tensor) -> Tensor:
        return self.mean_velocity(net, obs, x, t, t)


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
