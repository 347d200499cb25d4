"""Tests of `ilrm models` as users and scripts see it."""

import dataclasses

import pytest

from ilrm_cli.models.catalog import Details, Row, Verified
from ilrm_cli.models.registry import KNOWN, PUBLISHED_REPOSITORY, PulledFrom
from tests.cli.conftest import SAMPLES
from tests.models.test_checkpoint import publish
from tests.support.command_line import ilrm, ilrm_process
from tests.support.hub_server import Hub, serving
from tests.support.small_models import published, random_model

NAME = "re10k-2view"


def keys(kind: type) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Serve a hub at HF_ENDPOINT for subprocesses."""
    publish(random_model(published("re10k")), "re10k", tmp_path / "tiny.ckpt")
    files = {KNOWN[NAME].published.file: (tmp_path / "tiny.ckpt").read_bytes()}
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with serving(Hub(PUBLISHED_REPOSITORY, {"c" * 40: files})) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        yield running


def test_json_keys_are_the_contract():
    listed = ilrm("models", "list", "--json").json
    assert set(listed) == {"command", "status", "models"}
    assert [set(row) for row in listed["models"]] == [keys(Row)] * len(KNOWN)
    assert set(ilrm("models", "info", "default", "--json").json) == {"command", "status"} | keys(Details)
    verified = ilrm("models", "verify", "--json").json
    assert all(set(row) == keys(Verified) | {"passed"} for row in verified["files"])


def test_the_list_fits_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = ilrm("models", "list").out
    for name in KNOWN:
        assert f" {name} " in shown
    assert "…" not in shown
    assert "licence: none stated that we know of" in shown
    assert all(f"{name}: no weights are offered" in shown for name in ("grm", "avat3r"))


def test_info_shows_the_whole_hash():
    assert ilrm("models", "info", "default", "--json").json["sha256"] in ilrm("models", "info", "default").out.replace(
        "\n", ""
    ).replace(" ", "")


def test_pull_use_and_verify_which_names_what_differs(hub, tmp_path):
    draft = ("--quality", "draft", "--size", "64", "--json")
    use = ("reconstruct", SAMPLES / "posed", "-o", tmp_path / "s.ply", "--model", NAME, *draft)
    assert f"ilrm models pull {NAME}" in ilrm(*use).json["error"]
    pulled = ilrm_process("models", "pull", NAME, "--json")
    assert pulled.status == 0, pulled.err
    assert "no licence is stated" in pulled.err
    assert set(pulled.json) == {"command", "status", "name", "path", "downloaded"} | keys(PulledFrom)
    assert pulled.json["revision"] == "c" * 40
    made = ilrm(*use)
    assert made.status == 0, made.err
    assert made.json["model"] == {"name": NAME, "sha256": pulled.json["sha256"]}
    assert len(made.json["views"]["used"]) == 2
    assert ilrm("models", "verify", NAME).status == 0
    hub.status = 503
    again = ilrm("models", "pull", NAME, "--offline")
    assert (again.status, again.err.strip()) == (0, "")
    assert "already here and intact" in again.out
    with open(pulled.json["path"], "ab") as file:
        file.write(b"!")
    outcome = ilrm("models", "verify")
    assert outcome.status == 1
    assert "re10k_2view.ckpt: sha256" in outcome.out
    assert "DIFFERS" in outcome.out
    assert ilrm("models", "verify", "default").status == 0


def test_what_users_get_wrong(tmp_path, monkeypatch):
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))
    for arguments, words in (
        (["pull", "nonsense"], "the names are default, re10k-2view"),
        (["pull", "default"], "nothing to pull"),
        (["pull", NAME, "--offline"], "--offline forbids"),
        (["verify", NAME], f"ilrm models pull {NAME}"),
        (["verify", "absent.pt"], "no such file"),
        (["info", "absent.pt"], "no such file"),
    ):
        outcome = ilrm("models", *arguments)
        assert outcome.status == 1
        assert words in outcome.sentence
    assert not (tmp_path / "cache").exists()
