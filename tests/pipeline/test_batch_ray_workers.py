"""Tests of the same batch on a local Ray instance."""

import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ilrm_cli
from ilrm_cli.pipeline.batch.ray_workers import RayPool
from ilrm_cli.runtime.errors import InputError
from tests.support.batch_folders import SMALL, content, make_folders
from tests.support.command_line import ilrm_process


@pytest.fixture
def own_ray(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "local")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:port"])
def test_an_address_where_nothing_answers_is_refused_at_once(monkeypatch, address):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(InputError, match=f"RAY_ADDRESS={address}: no Ray cluster answers there"):
        RayPool(None, 1, on_gpu=False)


def test_sigterm_stays_ours_and_workers_import_nothing_from_the_users_folder(monkeypatch, tmp_path):
    """When Ray starts, it installs a handler that ends the process; workers import from the folder where it starts."""
    monkeypatch.chdir(tmp_path)

    def init(**settings: Any) -> None:
        assert Path.cwd() == Path(ilrm_cli.__file__).parents[1]
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))

    nodes, resources = [{"Alive": True}], {"CPU": 1.0}
    fake = SimpleNamespace(init=init, nodes=lambda: nodes, cluster_resources=lambda: resources)
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    before = signal.getsignal(signal.SIGTERM)
    RayPool(None, 1, on_gpu=False)
    assert (signal.getsignal(signal.SIGTERM), Path.cwd()) == (before, tmp_path)


@pytest.mark.slow
def test_two_workers_of_ray_make_the_same_files_and_carry_on(own_ray, tmp_path):
    root = make_folders(tmp_path / "root", 3)
    outs = []
    for engine in (["--engine", "local"], ["--engine", "ray", "--jobs", "2"]):
        outs.append(tmp_path / engine[1])
        done = ilrm_process("batch", f"{root}/*", "-o", f"{outs[-1]}/{{name}}.ply", *SMALL, *engine, "--json")
        assert done.json["counts"] == {"ok": 3, "skipped": 0, "failed": 1, "crashed": 0}
        assert "holds no photo" in done.json["folders"][0]["sentence"]
    assert content(outs[0]) == content(outs[1])

    (outs[1] / "scene 1.ply").unlink()
    again = ilrm_process("batch", f"{root}/*", "-o", f"{outs[1]}/{{name}}.ply", *SMALL, *engine, "--json")
    assert again.json["counts"] == {"ok": 1, "skipped": 2, "failed": 1, "crashed": 0}
    assert content(outs[0]) == content(outs[1])


@pytest.mark.slow
def test_more_workers_than_the_cluster_has_is_one_sentence(own_ray, tmp_path):
    root = make_folders(tmp_path / "root", 1)
    done = ilrm_process("batch", f"{root}/*", "-o", f"{tmp_path}/{{name}}.ply", "--engine", "ray", "--jobs", "1000")
    assert "--jobs 1000 is more than the" in done.sentence
