"""Where refinement of a prediction begins: with doubt where views disagree, and with the points that are known."""

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from ilrm_cli.gaussians import Gaussians
from ilrm_cli.model.point_splats import point_splats
from ilrm_cli.views import Views


def refine_start(gaussians: Gaussians, support: Float[Tensor, " gaussian"], inputs: Views) -> Gaussians:
    """The prediction, each Gaussian as opaque as other views support it, and the sparse points of the inputs.

    A surface at a wrong depth explains the photo that it was predicted from, so the fit keeps it and it stands in the
    way of every other view. Made faint, it lets gradients reach what lies behind, and has to earn its opacity. All is
    in the frame of the inputs; `support` is in (0, 1], see `model.consistency`.
    """
    doubted = replace(gaussians, opacities=gaussians.opacities * support)
    return Gaussians.concatenated(doubted, point_splats(inputs))
