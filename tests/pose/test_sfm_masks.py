from pathlib import Path

import numpy as np
import pycolmap
from PIL import Image

from ilrm_cli.capture.sfm.solve import solve
from tests.support.photographed import HEIGHT, WIDTH, cameras_on_an_arc, save_photos


def test_masked_pixels_give_no_features(tmp_path: Path) -> None:
    """The left half of every photo is masked."""
    files = {f"0/{path.name}": path.name for path in save_photos(tmp_path / "photos" / "0", cameras_on_an_arc(4))}
    mask = np.full((HEIGHT, WIDTH), 255, dtype=np.uint8)
    mask[:, : WIDTH // 2] = 0
    (tmp_path / "masks" / "0").mkdir(parents=True)
    for file in files:
        Image.fromarray(mask).save(tmp_path / "masks" / f"{file}.png")
    (tmp_path / "work").mkdir()
    result = solve(tmp_path / "photos", files, tmp_path / "work", masks=tmp_path / "masks")
    assert result.model.num_reg_images() == 4
    with pycolmap.Database.open(tmp_path / "work" / "database.db") as database:
        for image in database.read_all_images():
            across = database.read_keypoints(image.image_id)[:, 0]
            assert len(across) > 100
            assert across.min() >= WIDTH // 2
