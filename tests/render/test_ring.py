import torch

from ilrm_cli.render.paths.auto import candidates
from ilrm_cli.render.paths.by_name import setting_of
from ilrm_cli.render.paths.orbits import default_cameras
from tests.support.captures import TARGET, ball


def test_default_cameras_hold_the_scene() -> None:
    cameras = default_cameras(ball(), width=96, height=48, fov_deg=50.0)
    assert (cameras.width, cameras.height) == (96, 48)
    assert (cameras.positions[:, 1] < TARGET[1]).all()  # above: y points down
    seen = torch.einsum(
        "vij,nj->vni", cameras.cam_from_world, torch.nn.functional.pad(ball().means.double(), (0, 1), value=1)
    )
    pixels = seen[..., :2] / seen[..., 2:3] * cameras.focal_px[:, None] + cameras.center_px[:, None]
    inside = ((pixels > 0) & (pixels < torch.tensor([96, 48]))).all(-1)
    assert inside.double().mean() > 0.95
    assert pixels[..., 1].std(1).min() > 5  # and it fills the picture
    assert candidates(setting_of(cameras, ball()))[0] == "orbit"
