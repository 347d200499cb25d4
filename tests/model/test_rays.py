import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.rays import pixel_centers, unit_rays
from ilrm_cli.models.layers.tokens import pixel_channels

CAMERA = Cameras(
    torch.tensor([[[1.0, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]]),
    torch.tensor([[2.0, 2.0]]),
    torch.tensor([[1.5, 0.5]]),
    width=2,
    height=1,
)


def test_pixel_centres():
    assert pixel_centers(2, 1, torch.zeros(())).tolist() == [[[0.5, 0.5], [1.5, 0.5]]]


def test_rays_of_a_known_camera():
    origin, direction = unit_rays(CAMERA)
    assert origin[0, 0, 0].tolist() == [5, 0, 0]
    torch.testing.assert_close(direction[0, 0, 1], torch.tensor([0.0, 0, 1]))  # through the principal point
    torch.testing.assert_close(direction[0, 0, 0], torch.tensor([-0.5, 0, 1]) / 1.25**0.5)


def test_channels_come_in_the_order_of_their_names():
    image = torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1).expand(1, 3, 1, 2)
    channels = pixel_channels(CAMERA, ("color", "moment", "direction"), image)[0, 0, 1]
    torch.testing.assert_close(channels, torch.tensor([1.0, 0, -1, 0, -5, 0, 0, 0, 1]))
