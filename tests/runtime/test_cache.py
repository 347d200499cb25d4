"""Where PyTorch keeps what it compiles, and files named by their content."""

import hashlib
import os

import pytest

from ilrm_cli.runtime import cache
from ilrm_cli.runtime.cache import input_sha256, keep_compiled_layers, sha256_of

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


def test_known_value(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert input_sha256(tmp_path / "a") == sha256_of(tmp_path / "a")


def test_inputs_are_read_once_until_they_change(tmp_path, monkeypatch):
    file, reads = tmp_path / "a", []
    monkeypatch.setattr(cache, "sha256_of", lambda path: reads.append(path) or sha256_of(path))
    for content in (b"one", b"other", b"oTher"):  # another size; then only another time
        file.write_bytes(content)
        os.utime(file, ns=(len(reads), len(reads)))
        assert [input_sha256(file)] * 2 == [input_sha256(file), hashlib.sha256(content).hexdigest()]
    assert len(reads) == 3
