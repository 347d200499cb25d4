"""The numbers that the fit changes, and Adam's memory of them, which follow when Gaussians are added or removed.

Scales are fitted as logarithms and opacities as logits, as in 3D Gaussian splatting (Kerbl et al. 2023); quaternions
have any length. Step sizes are per group; those of means are in the scene's normalised unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize
from torch.optim.adam import adam

from ilrm_cli.geometry.gaussians import Gaussians

BETA_1, BETA_2 = 0.9, 0.99  # of Adam; the second is low, since a fit has hundreds of steps, not tens of thousands
EPS = 1e-15  # as in 3D Gaussian splatting: gradients of single Gaussians are tiny
OPACITY_MARGIN = 1e-3  # from 0 and 1: keeps logits finite, and Gaussians alive
SCALE_FLOOR = 1e-9  # keeps the logarithm of a vanished scale finite


@dataclass(frozen=True)
class Rates:
    """First step sizes of Adam, tried on a few scenes; a cosine shrinks them over the fit."""

    # In normalised units. Twice as much lost 0.1, 0.1 and -0.1 dB, and 0.002, 0.025 and 0.014 in SSIM, on fox, toy and
    # courthouse; half of it differed by 0.03 dB at most on the first two.
    means: float = 8e-4
    quaternions: float = 1e-2
    scales: float = 1e-2  # of logarithms
    opacities: float = 5e-2  # of logits
    colors: float = 1e-2  # of harmonics of degree 0
    harmonics: float = 1e-3  # of the others: less evidence for each


class Parameters:
    """The scene as Adam sees it."""

    def __init__(self, scene: Gaussians, degree: int, rates: Rates):
        """Begin at a scene, with harmonics of `degree`, those that it lacks at zero."""
        opacities = scene.opacities.clamp(OPACITY_MARGIN, 1 - OPACITY_MARGIN)
        rest = torch.zeros(len(scene), (degree + 1) ** 2 - 1, 3).to(scene.harmonics)
        known = min(rest.shape[1], scene.harmonics.shape[1] - 1)
        rest[:, :known] = scene.harmonics[:, 1 : 1 + known]
        self.means = scene.means
        self.quaternions = scene.quaternions
        self.log_scales = scene.scales.clamp_min(SCALE_FLOOR).log()
        self.logits = opacities.logit()
        self.colors = scene.harmonics[:, :1]
        self.rest = rest
        self._antialiased = scene.antialiased
        self._rates = {
            "means": rates.means,
            "quaternions": rates.quaternions,
            "log_scales": rates.scales,
            "logits": rates.opacities,
            "colors": rates.colors,
            "rest": rates.harmonics,
        }
        self._set({name: getattr(self, name) for name in self._rates})
        self._first = {name: torch.zeros_like(getattr(self, name)) for name in self._rates}
        self._second = {name: torch.zeros_like(getattr(self, name)) for name in self._rates}
        self._steps = 0

    def __len__(self) -> int:
        return len(self.means)

    def _set(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            setattr(self, name, value.detach().clone().requires_grad_())

    def gaussians(self) -> Gaussians:
        """Return the scene, differentiable with respect to the parameters and drawn as the start is.

        Its quaternions have any length.
        """
        return Gaussians(
            means=self.means,
            quaternions=self.quaternions,
            scales=self.log_scales.exp(),
            opacities=self.logits.sigmoid(),
            harmonics=torch.cat([self.colors, self.rest], dim=1),
            antialiased=self._antialiased,
        )

    def snapshot(self) -> Gaussians:
        """Return a copy of the scene that further steps leave as it is."""
        scene = self.gaussians().detach()
        scene = replace(scene, quaternions=normalize(scene.quaternions, dim=-1))
        return scene.rebuilt(*(value.clone() for value in scene.tensors()))

    def hold(self, held: Bool[Tensor, " gaussian"]) -> None:
        """Let the next step change nothing but colours of these."""
        rows = held.nonzero()[:, 0]  # takes a fifth of the time that a mask would, as they are few in most scenes
        for value in (self.means, self.quaternions, self.log_scales, self.logits):
            assert value.grad is not None, "between the backward pass and the step"
            value.grad.index_fill_(0, rows, 0)

    def forget(self) -> None:
        """Clear the gradients without a step."""
        for name in self._rates:
            getattr(self, name).grad = None

    def state(self) -> dict[str, Any]:
        """Return all that changes, as tensors and a number."""
        values = {name: getattr(self, name).detach() for name in self._rates}
        return {"values": values, "first": self._first, "second": self._second, "steps": self._steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state."""
        self._set(state["values"])
        self._first, self._second, self._steps = dict(state["first"]), dict(state["second"]), state["steps"]

    @torch.no_grad()
    def step(self, share: float) -> None:
        """Take one step of Adam (Kingma and Ba 2015) with this share of the first step sizes; gradients are cleared."""
        steps = torch.tensor(float(self._steps), device=self.means.device)
        for name, rate in self._rates.items():
            value = getattr(self, name)
            adam(
                [value], [value.grad], [self._first[name]], [self._second[name]], [],
                [steps.clone()],  # to which it adds one
                lr=rate * share, beta1=BETA_1, beta2=BETA_2, eps=EPS, weight_decay=0.0,
                fused=True, amsgrad=False, maximize=False,
            )  # fmt: skip
            value.grad = None
        self._steps += 1

    @torch.no_grad()
    def change(
        self,
        kept: Bool[Tensor, " gaussian"],
        split: Int[Tensor, " parent"],
        along: Float[Tensor, "parent 3"],
        shrink: Float[Tensor, "parent 3"],
        logits: Float[Tensor, " parent"],
    ) -> None:
        """Remove what is not kept, and split the `split` ones, which are, into two.

        The halves lie at `along` to either side of the mean; `shrink` is added to the logarithms of their scales, and
        `logits` are their opacities. What is new has no memory.
        """
        born = {name: getattr(self, name)[split].clone() for name in self._rates}
        born["means"] += along
        born["log_scales"] += shrink
        born["logits"] = logits
        self.means[split] -= along
        self.log_scales[split] += shrink
        self.logits[split] = logits
        self._set({name: torch.cat([getattr(self, name)[kept], new]) for name, new in born.items()})
        for memory in (self._first, self._second):
            for name, new in born.items():
                memory[name] = torch.cat([memory[name][kept], torch.zeros_like(new)])
