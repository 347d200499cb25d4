"""Tests of huggingface_hub with a local hub: a pull is pinned, and a pull that fails leaves nothing."""

import errno
import shutil
from collections import namedtuple

import pytest
import torch

from ilrm_cli.models import hub
from ilrm_cli.models.checkpoint import load_model
from ilrm_cli.models.hub import pull
from ilrm_cli.models.registry import KNOWN, ORIGIN_FILE, PUBLISHED_REPOSITORY, file_of, folder_of, origin_of, place_of
from ilrm_cli.runtime.cache import sha256_of
from ilrm_cli.runtime.errors import InputError
from tests.models.test_checkpoint import publish
from tests.support.hub_server import Hub, serving
from tests.support.small_models import published, random_model

MODEL = KNOWN["re10k-2view"]
OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture(scope="module")
def contents(tmp_path_factory) -> list[bytes]:
    """Return two tiny checkpoints in the published format."""
    path = tmp_path_factory.mktemp("published") / "tiny.ckpt"
    found = []
    for seed in (0, 1):
        publish(random_model(published("re10k"), seed), "re10k", path)
        found.append(path.read_bytes())
    return found


@pytest.fixture
def server(contents, tmp_path, monkeypatch):
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # whatever the surroundings say
    with serving(Hub(PUBLISHED_REPOSITORY, {OLD: {MODEL.published.file: contents[0]}})) as running:
        yield running


def refusal(server: Hub, **options) -> str:
    """Return the sentence of a pull that must fail; check that nothing it made is left."""
    shelf = folder_of(MODEL).parent
    before = {path: path.is_file() and path.read_bytes() for path in shelf.rglob("*")}
    with pytest.raises(InputError) as caught:
        pull(MODEL, endpoint=server.endpoint, **options)
    assert {path: path.is_file() and path.read_bytes() for path in shelf.rglob("*")} == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pull_downloads_and_records(server, contents):
    assert place_of(MODEL) == "available"
    pulled = pull(MODEL, endpoint=server.endpoint)
    assert pulled.downloaded
    assert pulled.path.read_bytes() == contents[0]
    assert (pulled.origin.revision, pulled.origin.sha256) == (OLD, sha256_of(pulled.path))
    assert pulled.origin.licence is None
    assert origin_of(MODEL) == pulled.origin
    assert place_of(MODEL) == "pulled"
    assert {p.name for p in folder_of(MODEL).iterdir()} == {MODEL.published.file, ORIGIN_FILE}


def test_what_was_pulled_loads_by_name(server):
    pull(MODEL, endpoint=server.endpoint)
    loaded = load_model(MODEL.name)
    assert (loaded.name, loaded.sha256) == (MODEL.name, origin_of(MODEL).sha256)
    assert (loaded.model.config.min_views, loaded.model.config.max_views) == (2, 2)
    torch.testing.assert_close(loaded.model.state_dict(), random_model(published("re10k"), 0).state_dict())


def test_a_licence_that_the_repository_states_is_recorded(server):
    server.licence = "mit"
    assert pull(MODEL, endpoint=server.endpoint).origin.licence == "mit"


def test_the_second_pull_asks_nobody(server):
    pull(MODEL, endpoint=server.endpoint)
    server.asked.clear()
    assert not pull(MODEL, endpoint=server.endpoint).downloaded
    assert not pull(MODEL, endpoint=server.endpoint, offline=True).downloaded
    assert server.asked == []


def test_a_later_commit_does_not_replace_the_pinned_one(server, contents):
    path = pull(MODEL, endpoint=server.endpoint).path
    server.commits[NEW] = {MODEL.published.file: contents[1]}
    path.unlink()
    assert place_of(MODEL) == "available"
    again = pull(MODEL, endpoint=server.endpoint)
    assert (again.origin.revision, path.read_bytes()) == (OLD, contents[0])
    shutil.rmtree(folder_of(MODEL))  # without the pin, the later one is taken
    assert pull(MODEL, endpoint=server.endpoint).origin.revision == NEW


def test_a_pinned_commit_with_other_content_is_refused(server, contents):
    pull(MODEL, endpoint=server.endpoint).path.unlink()
    server.commits[OLD] = {MODEL.published.file: contents[1]}
    assert "is recorded" in refusal(server)


def test_a_pinned_commit_that_is_gone(server, contents):
    pull(MODEL, endpoint=server.endpoint).path.unlink()
    server.commits = {NEW: {MODEL.published.file: contents[1]}}
    assert "no longer has the commit" in refusal(server)


def test_content_other_than_listed_is_refused(server, contents):
    server.tampered = contents[0][:-1] + b"!"
    assert "thrown away" in refusal(server)


def test_a_damaged_file_is_not_used_and_is_pulled_again(server, contents):
    path = pull(MODEL, endpoint=server.endpoint).path
    path.write_bytes(contents[1])  # loads well, but is not what was recorded
    with pytest.raises(InputError, match="its sha256 is not the one recorded"):
        load_model(MODEL.name)
    assert "--offline forbids" in refusal(server, offline=True)
    assert pull(MODEL, endpoint=server.endpoint).downloaded
    assert path.read_bytes() == contents[0]


def test_a_broken_transfer_goes_on_where_it_stopped(server, contents, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)  # granularity of a partial transfer
    server.cut_after = [5000]
    assert pull(MODEL, endpoint=server.endpoint).path.read_bytes() == contents[0]
    assert any(line.endswith("bytes=5000-") for line in server.asked)


def test_a_transfer_that_keeps_breaking(server, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    server.cut_after = [5000] + [0] * 20
    assert "cannot be reached" in refusal(server)


def test_ctrl_c_leaves_nothing(server):
    def stop(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(MODEL, endpoint=server.endpoint, report=stop)
    assert list(folder_of(MODEL).parent.iterdir()) == []


def test_progress_ends_at_the_size_of_the_file(server, contents, monkeypatch):
    monkeypatch.setattr(hub, "MEGABYTE", 1)
    steps = []
    pull(MODEL, endpoint=server.endpoint, report=steps.append)
    assert (steps[-1].stage, steps[-1].done, steps[-1].total) == ("download", len(contents[0]), len(contents[0]))


def test_offline(server, monkeypatch):
    assert "--offline forbids" in refusal(server, offline=True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # read from the environment at its import
    assert "HF_HUB_OFFLINE forbids" in refusal(server)
    assert server.asked == []


def test_what_the_hub_may_answer(server):
    for status, words in ((503, "answered 503"), (401, "log in with"), (404, "answered 404")):
        server.status = status
        assert words in refusal(server)
    server.status = None
    server.commits[OLD] = {"other.bin": b"x"}
    assert "has no file re10k_2view.ckpt any more" in refusal(server)
    server.repository = "somebody/else"
    assert "does not exist any more" in refusal(server)


def test_no_network(server):
    server.endpoint = "http://127.0.0.1:9"  # nobody listens there
    assert "cannot be reached" in refusal(server)


def test_a_full_disk(server, monkeypatch):
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(hub.shutil, "disk_usage", lambda folder: usage(10, 9, 1))
        assert "make room" in refusal(server)

    def fail(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    assert "No space left on device" in refusal(server)


def test_a_cache_folder_that_cannot_be_made(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "file"))
    assert "cannot be made" in refusal(server)


def test_a_record_that_cannot_be_read(server):
    pull(MODEL, endpoint=server.endpoint)
    for broken, reason in (
        ("{", "is not valid JSON"),
        ("[]", "Expected `object`, got `array`"),
        ('{"revision": "x"}', "Object missing required field `repository`"),
    ):
        (folder_of(MODEL) / ORIGIN_FILE).write_text(broken)
        assert f"{ORIGIN_FILE}: cannot be read ({reason}" in refusal(server)


def test_the_shipped_model_is_not_pulled():
    with pytest.raises(InputError, match="nothing to pull"):
        pull(KNOWN["default"])


def test_the_licence_note_names_the_place():
    assert "no licence is stated" in hub.licence_note(MODEL)
    assert f"https://huggingface.co/{PUBLISHED_REPOSITORY}" in hub.licence_note(MODEL)


def test_a_restricted_licence_is_accepted_once_and_recorded(server, contents):
    model = KNOWN["long-lrm"]
    server.repository, server.commits = model.published.repository, {OLD: {model.published.file: contents[0]}}
    with pytest.raises(InputError, match=r"Adobe Research License.*--accept-licence"):
        pull(model, endpoint=server.endpoint)
    assert server.asked == []
    assert "Adobe" in pull(model, accepted=True, endpoint=server.endpoint).origin.licence
    file_of(model).unlink()
    assert pull(model, endpoint=server.endpoint).downloaded
    assert "Adobe" in origin_of(model).licence


def test_what_nobody_offers_is_said():
    for name, words in (("grm", "withdrew"), ("avat3r", "neither code nor weights")):
        with pytest.raises(InputError, match=words):
            load_model(name)
