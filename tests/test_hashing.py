import hashlib
import os

from ilrm_cli.runtime import cache
from ilrm_cli.runtime.cache import input_sha256, sha256_of


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
