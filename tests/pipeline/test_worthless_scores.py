"""Scores of photos that show next to nothing, and photos that no scene can be made from."""

import numpy as np
import pytest
import torch
from PIL import Image

from ilrm_cli.capture.filter_photos import find_unusable
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.geometry.views import Views
from ilrm_cli.pipeline.reconstruct import posed_photos
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.pipeline.verdict import score_of_one_colour, worthless
from ilrm_cli.runtime.errors import InputError
from tests.capture.test_colmap import write_by_hand


def views(images: torch.Tensor) -> Views:
    count, _, height, width = images.shape
    middle = torch.tensor([width / 2, height / 2], dtype=torch.float64)
    poses = torch.eye(4, dtype=torch.float64).repeat(count, 1, 1)
    return Views(images, Cameras(poses, torch.full((count, 2), 50.0).double(), middle.repeat(count, 1), width, height))


def test_what_one_colour_scores():
    """Half of the pixels off by 0.1 on either side: a mean square of 0.01; and no difference at all."""
    stripes = torch.full((1, 3, 16, 32), 0.5)
    stripes[..., ::2] += 0.1
    stripes[..., 1::2] -= 0.1
    assert score_of_one_colour(views(stripes)) == pytest.approx(20.0, abs=1e-3)
    assert score_of_one_colour(views(torch.full((1, 3, 16, 32), 0.3))) == 100
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert score_of_one_colour(views(noise)) == pytest.approx(10.8, abs=0.2)  # a variance of 1/12


def test_a_score_on_nothing_is_called_so():
    said = worthless(42.0, 43.5)
    assert "not known" in said
    assert "42.0 dB" in said
    assert "Good" not in said


@pytest.mark.parametrize(("size", "usable"), [((1, 1), False), ((400, 3), False), ((16, 12), True)])
def test_photos_of_a_few_pixels_are_left_out(tmp_path, size, usable):
    Image.new("RGB", size).save(tmp_path / "a.png")
    reasons = find_unusable({"a": tmp_path / "a.png"}, {})
    assert reasons == ({} if usable else {"a": f"it has only {size[0]}x{size[1]} px"})


def posed(folder, positions: list[str], points: str):
    dice = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    lines = []
    for index, position in enumerate(positions, 1):
        picture = dice.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / "images" / f"{index}.png")
        turn = index / 10
        lines.append(f"{index} {np.cos(turn)} 0 {np.sin(turn)} 0 {position} 1 {index}.png")
    write_by_hand(folder / "sparse" / "0", ["1 PINHOLE 64 48 50 50 32 24"], lines)
    (folder / "sparse" / "0" / "points3D.txt").write_text(points)
    return folder


@pytest.mark.parametrize("points", ["", "1 0 0 3 255 0 0 0.1\n2 1 0 4 255 0 0 0.1\n"])
def test_cameras_in_one_place_are_refused(tmp_path, points):
    """Turned about their own centre: all at the origin of the world."""
    with pytest.raises(InputError, match=r"all 4 photos in .* were taken from one place, which shows no depth"):
        posed_photos(open_folder(posed(tmp_path / "a", ["0 0 0"] * 4, points)), Settings())
    apart = posed(tmp_path / "b", ["0 0 0", "0.1 0 0", "0.2 0 0"], points)
    assert len(posed_photos(open_folder(apart), Settings()).photos) == 3
