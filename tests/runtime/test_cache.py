"""Where PyTorch keeps what it compiles, and files named by their content."""

import ast
import hashlib
import os
from pathlib import Path

import pytest

import ilrm_cli
from ilrm_cli.runtime import cache
from ilrm_cli.runtime.cache import KERNEL_FILES, SUMS, Entry, entry, input_sha256, keep_compiled_layers, sha256_of
from ilrm_cli.runtime.files import filling

NAME = "TORCHINDUCTOR_CACHE_DIR"


COMPILERS = {"kernel", "inlined", "shared_kernel", "on_cuda", "floor32"}  # of `runtime.kernels`


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


# Entries


@pytest.fixture
def kept(tmp_path, monkeypatch) -> Entry[str]:
    """Return an entry with one file that is damaged if it is empty."""
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))

    def reader(folder):
        text = (folder / "text").read_text()
        if not text:
            raise ValueError("it is empty")
        return text

    return entry("texts", ["a", 1], reader)


def fill(kept, text):
    with kept.filling() as new:
        (new / "text").write_text(text)


def test_an_entry_is_kept_by_what_it_depends_on(kept):
    assert kept.read() is None
    fill(kept, "one")
    assert entry("texts", ["a", 1], kept.reader).read() == "one"
    assert entry("texts", ["a", 2], kept.reader).read() is None
    assert entry("others", ["a", 1], kept.reader).read() is None


def test_a_damaged_entry_is_made_again_and_a_good_one_stays(kept):
    fill(kept, "")
    assert kept.read() is None
    fill(kept, "one")
    fill(kept, "made by another process at the same time")
    assert kept.read() == "one"
    assert [path.name for path in kept.folder.parent.iterdir()] == [kept.folder.name]


def test_what_fails_while_it_is_filled_leaves_nothing(kept, monkeypatch):
    with pytest.raises(ZeroDivisionError), kept.filling() as new:
        (new / "text").write_text(str(1 / 0))
    assert list(kept.folder.parent.iterdir()) == []

    def full(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(cache.os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        fill(kept, "one")
    assert list(kept.folder.parent.iterdir()) == []


# Hashes


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


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: b"B" + content[1:], lambda _: b""])
def test_an_entry_of_which_any_byte_changed_is_made_again(kept, change):
    """Also where its reader would take it."""
    fill(kept, "whole")
    assert kept.read() == "whole"
    (kept.folder / "text").write_bytes(change((kept.folder / "text").read_bytes()))
    assert kept.read() is None
    fill(kept, "again")
    assert kept.read() == "again"
    (kept.folder / SUMS).write_text("[" * 100_000)
    assert kept.read() is None
    fill(kept, "once more")
    (kept.folder / "other").touch()
    assert kept.read() is None


def test_damaged_files_in_folders_are_filled_in_anew(tmp_path):
    weights = tmp_path / "weights"
    for content in ("damaged", "whole"):
        with filling(weights) as part:
            (part / "inner").mkdir()
            (part / "inner" / "model.pt").write_text(content)
        (weights / "inner" / "mine").touch()
    assert (weights / "inner" / "model.pt").read_text() == "whole"
    assert sorted(path.name for path in weights.rglob("*")) == ["inner", "mine", "model.pt"]


def compiles(source: Path) -> bool:
    """Return whether numba compiles functions of a file."""
    imports = [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.ImportFrom)]
    named = {one.name for node in imports if node.module == "ilrm_cli.runtime.kernels" for one in node.names}
    return bool(named & COMPILERS)


def test_changed_kernels_are_compiled_anew_wherever_they_are() -> None:
    package = Path(ilrm_cli.__file__).parent
    told = {file for pattern in KERNEL_FILES for file in package.glob(pattern)}
    found = {file for file in package.rglob("*.py") if compiles(file)}
    assert len(found) > 20
    assert sorted(found - told) == []
    assert all([*package.glob(pattern)] for pattern in KERNEL_FILES), "each stands for something"
