"""Tests of the catalogue behind `ilrm models`."""

import pytest
import torch

from ilrm_cli.geometry.views import TrainingRange
from ilrm_cli.models import catalog
from ilrm_cli.models.checkpoint import ModelIdentity, encode_model, load_model
from ilrm_cli.models.registry import licence_of
from ilrm_cli.pipeline.export import told_of
from ilrm_cli.runtime.cache import sha256_of
from ilrm_cli.runtime.errors import InputError
from tests.models.test_checkpoint import publish
from tests.support.small_models import MATCHED, published, random_model


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))


def test_rows_of_the_default_model_are_read_off_its_files():
    row = catalog.rows()[0]
    model = load_model("default").model
    assert row.parameters == sum(p.numel() for p in model.parameters())
    assert (row.min_views, row.max_views) == (model.config.min_views, model.config.max_views)
    assert (row.name, row.place, row.basis, row.licence) == ("default", "shipped", "measured", "Apache-2.0")


def test_rows_of_published_models():
    rows = {row.name: row for row in catalog.rows()[1:4]}
    views = {name: (row.min_views, row.max_views) for name, row in rows.items()}
    assert views == {"re10k-2view": (2, 2), "dl3dv-16view": (16, 16), "dl3dv-32view": (32, 32)}
    assert [row.parameters for row in rows.values()] == [171_336_960, 185_885_952, 185_885_952]
    assert [row.psnr for row in rows.values()] == [28.65, 22.91, 24.30]
    assert {row.place for row in rows.values()} == {"available"}


def test_the_row_of_triposr():
    row = next(row for row in catalog.rows() if row.name == "triposr")
    assert (row.parameters, row.min_views, row.max_views, row.licence) == (419_275_628, 1, 1, "MIT")
    assert row.psnr is None
    assert catalog.details("triposr").config["image_px"] == 512


def test_details_of_a_file(tmp_path):
    path = tmp_path / "mine.pt"
    model = random_model(published("dl3dv"))
    publish(model, "dl3dv", path)
    details = catalog.details(str(path))
    assert (details.name, details.place, details.sha256) == ("mine.pt", "file", sha256_of(path))
    assert details.parameters == sum(p.numel() for p in model.parameters())
    assert details.config["width"] == model.config.width
    assert details.licence is details.psnr is details.repository is None


def test_details_of_what_is_not_here():
    details = catalog.details("dl3dv-16view")
    assert (details.place, details.path, details.sha256, details.revision) == ("available", None, None, None)
    assert details.config["max_views"] == 16
    with pytest.raises(InputError, match="no such model"):
        catalog.details("nonsense")


def test_verify_without_a_name_checks_what_is_here():
    files = [f"{name}.{suffix}" for name in ("default",) for suffix in ("safetensors", "json")]
    assert [(v.file, v.passed) for v in catalog.verify()] == [(file, True) for file in files]


def test_verify_a_file(tmp_path):
    weights, config = encode_model(random_model(MATCHED), torch.float16)
    path = tmp_path / "m.safetensors"
    path.write_bytes(weights)
    path.with_suffix(".json").write_bytes(config)
    assert [(v.recorded, v.passed) for v in catalog.verify(str(path))] == [(None, True)] * 2
    (tmp_path / "SHA256SUMS").write_text("".join(f"{sha256_of(p)}  {p.name}\n" for p in sorted(tmp_path.glob("m.*"))))
    assert [v.passed for v in catalog.verify(str(path))] == [True, True]
    path.write_bytes(weights[:-1] + b"!")
    assert [v.passed for v in catalog.verify(str(path))] == [False, True]


def test_licences_are_told_where_they_are_known():
    assert told_of(ModelIdentity("triposr", "0", TrainingRange((1, 1))))["licence"] == "MIT"
    assert licence_of("default") == "Apache-2.0"
    assert licence_of("re10k-2view") is None
    assert told_of(ModelIdentity("mine.pt", "0", TrainingRange((1, 1)))) == {"name": "mine.pt", "sha256": "0"}
