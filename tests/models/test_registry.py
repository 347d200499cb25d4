"""Names, and the hashes that the shipped weights are held to."""

import re

import pytest

from ilrm_cli.models.registry import KNOWN, SHIPPED, file_of, place_of, recorded_sha256, weights_file
from ilrm_cli.runtime.cache import sha256_of
from ilrm_cli.runtime.errors import InputError


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))


def test_the_hashes_of_the_shipped_weights_are_up_to_date():
    known = KNOWN["default"]
    for path in (file_of(known), file_of(known).with_suffix(".json")):
        assert recorded_sha256(path, known) == sha256_of(path), f"{path.name} has changed; run: make hashes"


def test_every_shipped_file_of_weights_has_a_name():
    named = {file_of(known) for known in KNOWN.values() if known.published is None}
    assert named == set(SHIPPED.glob("*.safetensors"))


def test_the_scores_of_our_models_stand_in_their_card():
    lines = [line for line in (SHIPPED / "MODEL_CARD.md").read_text().splitlines() if line.startswith("| mean")]
    figures = re.findall(r"\d+\.\d+", " ".join(lines))
    assert str(KNOWN["default"].psnr) in figures, "the means in MODEL_CARD.md are others than registry.py says"


def test_places():
    assert {name: place_of(known) for name, known in KNOWN.items()} == {
        "default": "shipped",
        "re10k-2view": "available",
        "dl3dv-16view": "available",
        "dl3dv-32view": "available",
        "triposr": "available",
        "long-lrm": "available",
        "facelift": "available",
    }


def test_what_a_name_means(tmp_path):
    assert weights_file("default") == SHIPPED / "default.safetensors"
    (tmp_path / "mine.pt").write_bytes(b"x")
    assert weights_file(str(tmp_path / "mine.pt")) == tmp_path / "mine.pt"
    with pytest.raises(InputError, match="ilrm models pull dl3dv-16view"):
        weights_file("dl3dv-16view")
    with pytest.raises(InputError, match=r"no such model.*default, re10k-2view"):
        weights_file("nonsense")


def test_sums_beside_a_file(tmp_path):
    path = tmp_path / "a b.pt"
    assert recorded_sha256(path, None) is None
    (tmp_path / "SHA256SUMS").write_text("11  other.pt\n22 *a b.pt\n\n")
    assert recorded_sha256(path, None) == "22"
    assert recorded_sha256(tmp_path / "absent.pt", None) is None
