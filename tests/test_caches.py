"""Tests of where PyTorch keeps compiled code."""

import os

import pytest

from ilrm_cli.runtime.cache import keep_compiled_layers

NAME = "TORCHINDUCTOR_CACHE_DIR"


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.setenv(NAME, "")  # set, so that the original value is restored after the test
    monkeypatch.delenv(NAME)


def test_compiled_layers_are_kept_in_our_folder_or_where_the_user_wants(tmp_path, monkeypatch):
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "ours"))
    keep_compiled_layers()
    assert os.environ[NAME] == str(tmp_path / "ours" / "inductor")
    monkeypatch.setenv(NAME, "elsewhere")
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "unused"))
    keep_compiled_layers()
    assert os.environ[NAME] == "elsewhere"
    assert not (tmp_path / "unused").exists()


def test_a_folder_that_cannot_be_written_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "file"))
    keep_compiled_layers()
    assert NAME not in os.environ
