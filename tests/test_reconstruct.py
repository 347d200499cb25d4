"""Tests of what is refused before the long work begins, and of how its start is announced."""

import pytest

from ilrm_cli.pipeline import reconstruct as stage
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.errors import InputError


@pytest.mark.parametrize(("photos", "said"), [(0, "holds no photo"), (1, "only one photo"), (2, "only two photos")])
def test_too_few_photos_are_refused_before_a_model_is_loaded(tmp_path, monkeypatch, photos, said):
    def never(*_):
        raise AssertionError("a model is loaded and a renderer compiled")

    monkeypatch.setattr(stage, "load", never)
    for index in range(photos):
        (tmp_path / f"{index}.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match=said):
        stage.reconstruct(tmp_path, Settings())
