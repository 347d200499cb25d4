import numpy as np
import pytest
import torch

from ilrm_cli.geometry.gaussians import Gaussians
from ilrm_cli.render.checks import CHANNELS
from ilrm_cli.render.rasterize import NEAR
from ilrm_cli.scene.formats.scene_file import SceneFile
from ilrm_cli.scene.opened import WHITE, ShownScene
from ilrm_cli.visualize.film.channels import VIRIDIS, Film, colored, depth_range
from tests.support.captures import cameras_at

PLANES = (2.0, 8.0)  # depths of a near plane, in the left half of the picture, and a far one in the right half


def two_planes() -> Gaussians:
    means = torch.cat(
        [
            torch.cartesian_prod(side * torch.arange(0.06, 0.6, 0.05), torch.arange(-0.5, 0.5, 0.05), torch.ones(1)) * z
            for side, z in ((-1, PLANES[0]), (1, PLANES[1]))
        ]
    )
    count = len(means)
    return Gaussians(
        means=means,
        quaternions=torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        scales=(means[:, 2:] * torch.tensor([0.04, 0.04, 0.0005])),
        opacities=torch.full((count,), 0.99),
        harmonics=torch.zeros(count, 1, 3),
    )


def film(*channels: str) -> Film:
    scene = two_planes()
    confidence = torch.where(scene.means[:, 0] < 0, 1.0, 0.0)
    return Film(opened(scene, confidence), channels, depth_range=PLANES)


CAMERA = cameras_at(torch.eye(4).double()[None]).to(torch.float32)  # 64 x 48 px


def opened(scene: Gaussians, confidence: torch.Tensor | None = None) -> ShownScene:
    return ShownScene(CAMERA, WHITE, NEAR, SceneFile(scene, confidence=confidence))


LEFT, RIGHT = (24, 20), (24, 44)


def test_what_each_channel_shows() -> None:
    purple, yellow = VIRIDIS[0], VIRIDIS[-1]
    expected = {
        "rgb": ((128, 128, 128), (128, 128, 128)),
        "depth": (yellow, purple),
        "alpha": ((255, 255, 255), (255, 255, 255)),
        "confidence": (yellow, purple),
    }
    for channel in CHANNELS:
        frame = film(channel).frame(CAMERA).astype(int)
        assert frame.shape == (48, 64, 3)
        for pixel, color in zip((LEFT, RIGHT), expected[channel], strict=True):
            assert np.abs(frame[pixel] - color).max() <= 6, channel


def test_nothing_is_black_in_all_channels_but_the_colours() -> None:
    away = CAMERA.moved(CAMERA.world_from_cam @ torch.diag(torch.tensor([-1.0, 1, -1, 1])))
    for channel in CHANNELS:
        assert (film(channel).frame(away) == (255 if channel == "rgb" else 0)).all()


def test_channels_stand_side_by_side_in_the_order_asked_for() -> None:
    both = film("depth", "rgb").frame(CAMERA)
    assert both.shape == (48, 128, 3)
    np.testing.assert_array_equal(both[:, :64], film("depth").frame(CAMERA))
    np.testing.assert_array_equal(both[:, 64:], film("rgb").frame(CAMERA))


def test_the_range_of_depth_spans_what_all_frames_show() -> None:
    near, far = depth_range(CAMERA[[0, 0, 0]], opened(two_planes()))
    assert near == pytest.approx(2.0, rel=0.02)
    assert far == pytest.approx(8.0, rel=0.02)


def test_a_range_is_never_empty() -> None:
    wall = two_planes()
    near, far = depth_range(CAMERA, opened(wall[wall.means[:, 2] < 5]))
    assert near < far
    away = CAMERA.moved(CAMERA.world_from_cam @ torch.diag(torch.tensor([-1.0, 1, -1, 1])))
    near, far = depth_range(away, opened(wall))
    assert 0 < near < far


def test_the_colours_get_brighter_evenly() -> None:
    """Lightness, as luma, grows by nearly the same from step to step: the table holds no slip."""
    row = colored(torch.linspace(0, 1, 256)[None], torch.ones(1, 256))[0].astype(float)
    luma = row @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luma) >= -0.5).all()
    assert np.abs(np.diff(luma)).max() < 2.5
    assert tuple(row[0]) == VIRIDIS[0]
    assert tuple(row[-1]) == VIRIDIS[-1]


def test_the_colours_alone() -> None:
    np.testing.assert_array_equal(film("depth").colors(CAMERA), film("rgb").frame(CAMERA))
