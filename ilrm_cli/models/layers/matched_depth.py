"""Depth of a pixel from what the plane sweep found: a choice among its estimates, corrected.

With a volume there is one more to choose: the mean of the planes, weighed by all the evidence and by the network (the
soft-argmin of MVSNet, Yao et al. 2018, equation 2).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilrm_cli.models.layers.plane_sweep import Matches

DEPTH_GAIN = 2.0  # log-depth change per unit of raw output: large, so that early training can move surfaces
# Initial logits of the choice: best matches, mean of all (rarely chosen), sparse points (as likely as the best).
CHOICE_SHIFTS = (0.0, -2.0, 0.0)
VOLUME_SHIFT = 0.0  # of the volume's estimate, beside them
EVIDENCE_GAINS = (8.0, 2.0, 8.0)  # initial logits of a plane per unit of agreement with each estimate
DEPTH_SPAN = 0.7  # how far (in log-depth) a Gaussian may leave the swept range: a factor of two


class MatchedDepth(nn.Module):
    """The mapping from raw numbers and matches to z-depth."""

    def __init__(self, estimates: int, planes: int = 0):
        """Take the number of the sweep's estimates, and of its planes if they form a volume, else 0."""
        super().__init__()
        self.estimates, self.planes = estimates, planes
        if planes:
            self.evidence = nn.Parameter(torch.tensor(EVIDENCE_GAINS[:estimates]))

    def chosen(
        self, choice: Float[Tensor, "view height width choice"], matches: Matches
    ) -> Float[Tensor, "view height width 1"]:
        """Return the log-depth chosen by logits of all estimates but the first, and with a volume of it and its planes.

        What was chosen already, a single estimate, stays.
        """
        estimated = matches.log_depth
        if estimated.shape[-1] == 1:
            return estimated
        shifts = CHOICE_SHIFTS[: self.estimates]
        if self.planes:
            choice, planes = choice.split([self.estimates, self.planes], dim=-1)
            estimated, shifts = torch.cat([estimated, self._volume(planes, matches)], dim=-1), (*shifts, VOLUME_SHIFT)
        logits = torch.cat([torch.zeros_like(choice[..., :1]), choice], dim=-1)
        share = torch.softmax(logits + logits.new_tensor(shifts), dim=-1)
        return (share * estimated).sum(-1, keepdim=True)

    def forward(
        self,
        correction: Float[Tensor, "view height width 1"],
        choice: Float[Tensor, "view height width choice"],
        matches: Matches,
    ) -> Float[Tensor, "view height width 1"]:
        """Return the z-depth: what is chosen, corrected."""
        near, far = matches.log_range[:, None, None].split(1, dim=-1)  # [V, 1, 1, 1]
        log_depth = self.chosen(choice, matches) + DEPTH_GAIN * correction
        return log_depth.clamp(near - DEPTH_SPAN, far + DEPTH_SPAN).exp()

    def _volume(
        self, logits: Float[Tensor, "view height width plane"], matches: Matches
    ) -> Float[Tensor, "view height width 1"]:
        """Return the expected log-depth of the planes."""
        evidence = matches.agreement.unflatten(-1, (self.estimates, -1))
        logits = logits + torch.einsum("vhwed,e->vhwd", evidence, self.evidence)
        return (logits.softmax(-1) * matches.planes[:, None, None]).sum(-1, keepdim=True)
