"""The preview of a fit: a scene beside its photo, in one file that is whole at any time and ours to replace."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ilrm_cli.render.checks import check_preview_output
from ilrm_cli.runtime.progress import Step, ignore
from ilrm_cli.visualize.film.preview import preview_result, previewed
from ilrm_cli.visualize.film.trace_film import BAND_PX
from tests.support.small_reconstruction import reconstruction


@pytest.mark.parametrize("name", ["fit.jpg", "fit.png"])
def test_each_step_with_a_picture_replaces_the_preview(name: str, tmp_path: Path) -> None:
    place, told = tmp_path / name, list[Step]()
    photo = np.full((20, 30, 3), 250, np.uint8)
    with previewed(place, told.append) as report:
        report(Step("fitting", 1, 9))
        assert not place.exists()
        for done, grey in ((4, 40), (8, 120)):
            report(Step("fitting", done, 9, picture=lambda grey=grey: (np.full((20, 30, 3), grey, np.uint8), photo)))
            shown = np.asarray(Image.open(place))
            assert shown.shape == (20 + BAND_PX, 60, 3)
            assert abs(int(shown[-10, 10, 0]) - grey) < 4
            assert shown[-10, 45, 0] > 245
            check_preview_output(place, overwrite=True)
    assert [step.done for step in told] == [1, 4, 8]
    assert list(tmp_path.iterdir()) == [place]


def test_the_last_picture_is_of_the_scene_that_was_written(tmp_path: Path) -> None:
    """The photos of this reconstruction are pictures of its Gaussians."""
    result = reconstruction(tmp_path, fitted=True)
    assert result.fit is not None
    place = tmp_path / "fit.png"
    preview_result(place, result)
    both = np.asarray(Image.open(place).convert("RGB"))[BAND_PX:].astype(int)
    scene, photo = np.split(both, 2, axis=1)
    assert np.abs(scene - photo).mean() < 2
    assert photo.std() > 20


def test_a_fit_that_is_stopped_takes_its_picture_along_and_no_other(tmp_path: Path) -> None:
    place = tmp_path / "fit.png"
    with pytest.raises(KeyboardInterrupt):
        stopped(place, b"half")
    assert not place.exists()
    place.write_bytes(b"of an earlier fit")
    with pytest.raises(KeyboardInterrupt):
        stopped(place)
    assert place.exists()
    with previewed(place, ignore):
        place.write_bytes(b"whole")
    assert place.read_bytes() == b"whole"


def stopped(place: Path, picture: bytes | None = None) -> None:
    with previewed(place, ignore):
        if picture is not None:
            place.write_bytes(picture)
        raise KeyboardInterrupt
