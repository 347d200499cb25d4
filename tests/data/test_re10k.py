"""RE10K chunks in pixelSplat's layout: cameras, pixels, index."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrm_cli.data.re10k import find_sequence, read_chunk, read_evaluation_index, read_index
from ilrm_cli.render.metrics import psnr
from ilrm_cli.runtime.errors import InputError
from tests.support.photographed import FOCAL, WIDTH, photograph
from tests.support.small_data_sets import arc, re10k_clip, write_re10k


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    clips = [re10k_clip(key, arc(3), 640, 360) for key in ("a", "b", "c")]
    return write_re10k(tmp_path_factory.mktemp("re10k"), clips)


def chunks(root: Path) -> list[Path]:
    return sorted((root / "test").glob("*.torch"))


def test_clips_are_found_by_key_with_their_cameras(root):
    sequence = find_sequence(read_index(root), "c")
    assert (sequence.name, len(sequence), sequence.size) == ("c", 3, (640, 360))
    np.testing.assert_allclose(sequence.world_from_cam, np.stack(arc(3)), atol=1e-6)
    focal = FOCAL * 640 / WIDTH
    np.testing.assert_allclose(sequence.lenses[0].params, (focal, focal, 320, 180), rtol=1e-6)


def test_the_published_resampling_has_exact_cameras(root):
    sequence = read_chunk(chunks(root)[0])[0]
    views = sequence.views([0, 2], 256, 256)
    assert views.images.shape == (2, 3, 256, 256)
    focal = FOCAL * 640 / WIDTH
    assert views.cameras.focal_px[0].tolist() == pytest.approx([focal * 455 / 640, focal * 256 / 360])
    assert views.cameras.center_px[0].tolist() == pytest.approx([227.5 - 99, 128])


def test_frames_are_decoded_as_they_were_taken(root):
    sequence = read_chunk(chunks(root)[1])[0]
    views = sequence.views([1], 640, 360)
    taken = torch.from_numpy(photograph(arc(3)[1], 0, 640, 360)).permute(2, 0, 1)[None] / 255
    assert float(psnr(views.images, taken)) > 33


def test_sequences_can_be_sent_to_other_processes(root):
    sequence = read_chunk(chunks(root)[0])[1]
    again = pickle.loads(pickle.dumps(sequence))
    assert torch.equal(again.views([1], 64, 64).images, sequence.views([1], 64, 64).images)


def test_the_evaluation_index_leaves_null_entries_out(tmp_path):
    file = tmp_path / "index.json"
    file.write_text(json.dumps({"a": None, "b": {"context": [3, 40], "target": [7, 9, 20], "overlap": 0.7}}))
    entries = read_evaluation_index(file)
    assert list(entries) == ["b"]
    assert (entries["b"].context, entries["b"].target) == ((3, 40), (7, 9, 20))


@pytest.mark.parametrize("content", [b"no chunk", b""])
def test_damage_is_named(tmp_path, content):
    file = tmp_path / "000000.torch"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"000000\.torch cannot be read"):
        read_chunk(file)


def test_other_contents_are_refused(tmp_path):
    file = tmp_path / "000000.torch"
    torch.save([{"key": "a", "cameras": torch.zeros(1, 16), "images": [torch.zeros(1)]}], file)
    with pytest.raises(InputError, match="clip a does not have 18 camera numbers"):
        read_chunk(file)
    torch.save([{"key": "a"}], file)
    with pytest.raises(InputError, match="lacks one of"):
        read_chunk(file)
    with pytest.raises(InputError, match=r"is not in index\.json"):
        find_sequence({}, "zzz")
