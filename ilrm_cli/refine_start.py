"""The start of refinement: a prediction with doubtful Gaussians made faint, and the known sparse points."""

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.geometry.views import Views
from ilrm_cli.model.point_splats import point_splats

# Exponent of the support that multiplies opacities. 2 beats 1 by 0.6 dB on an orbit and 0.3 dB on a still life, and
# loses 0.1 dB in a room, where what no other view sees is often right.
DOUBT = 2


def refine_start(gaussians: Gaussians, support: Float[Tensor, " gaussian"], inputs: Views) -> Gaussians:
    """Return the prediction with Gaussians made fainter the less support they have, plus the inputs' sparse points.

    A surface at a wrong depth explains the photo that it was predicted from, so the fit keeps it and it occludes every
    other view. If made faint, it lets gradients reach what lies behind, and has to earn its opacity. Everything is in
    the frame of the inputs; `support` is in (0, 1], see `model.consistency`.
    """
    doubted = replace(gaussians, opacities=gaussians.opacities * support**DOUBT)
    return Gaussians.concatenated(doubted, point_splats(inputs))
