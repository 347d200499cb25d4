import pytest
import torch

from ilrm_cli.render.paths.tours import DOLLY_CLEARANCE, DOLLY_SHARE, dolly
from tests.support.captures import arc


@pytest.mark.parametrize(("clearance", "way"), [(4.0, DOLLY_SHARE * 4), (0.5, DOLLY_CLEARANCE * 0.5)])
def test_a_dolly_goes_straight_ahead_and_not_into_things(clearance: float, way: float) -> None:
    camera = arc([10])
    frames = dolly(camera, depth=4.0, clearance=clearance).frames(5)
    torch.testing.assert_close(frames.positions[0], camera.positions[0])
    torch.testing.assert_close(frames.positions[-1], camera.positions[0] + way * camera.forward[0])
    assert torch.equal(frames.focal_px, camera.focal_px.expand(5, 2))


def test_a_dolly_zoom_keeps_the_size_of_the_subject_and_ends_with_the_photos_lens() -> None:
    camera = arc([10])
    frames = dolly(camera, depth=4.0, clearance=4.0, zoom=True).frames(5)
    distances = 4.0 - (frames.positions - camera.positions[0]) @ camera.forward[0]
    sizes = frames.focal_px[:, 0] / distances
    torch.testing.assert_close(sizes, sizes[:1].expand(5))
    torch.testing.assert_close(frames.focal_px[-1], camera.focal_px[0])
    assert (frames.focal_px.diff(dim=0) < 0).all()
