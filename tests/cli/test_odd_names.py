"""Names that are protocols, options, markup or no text at all: used as names, shown as text, or told of."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm


@pytest.mark.parametrize("name", ["10:30.mp4", "tcp:/f.mp4", "-i.mp4", "[red]a[/].mp4", "%03d.webp", ":smile:.gif"])
def test_films_are_called_as_asked(made, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    outcome = ilrm("render", made[0], "-o", f"./{name}", "--size", "64x48", "--seconds", "0.2")
    assert outcome.status == 0, outcome.err
    assert (tmp_path / name).stat().st_size > 100
    assert Path(name).name in outcome.out


def test_a_folder_whose_name_no_record_could_hold_does_not_end_the_batch(tmp_path):
    for name in (b"caf\xe9", b"[red]\x1b[31m"):
        folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        folder.mkdir()
        shutil.copy(SAMPLES / "photos" / "001.jpg", folder / "1.jpg")
    summary = tmp_path / "summary.jsonl"
    pattern = f"{tmp_path}/*"
    outcome = ilrm("batch", pattern, "-o", tmp_path / "{name}.ply", "--summary", summary)
    assert outcome.status == 1
    assert "\x1b[31m" not in outcome.out + outcome.err
    assert "MarkupError" not in outcome.err
    rows = [json.loads(line) for line in summary.read_text().splitlines()]
    assert sorted(row["status"] for row in rows) == ["failed", "failed"]
    assert any("not in UTF-8" in row["sentence"] for row in rows)


@pytest.mark.parametrize(
    "arguments",
    [
        ("reconstruct", "{long}"),
        ("pose", "{long}", "-o", "{tmp}/out"),
        ("render", "{tmp}/{long}.ply"),
        ("export", "{tmp}/{long}.ply", "-o", "{tmp}/a.spz"),
        ("replay", "{tmp}/{long}.ply"),
        ("batch", "{tmp}/{long}"),
        ("view", "{long}.ply"),
        ("train", "{tmp}/{long}"),
        ("synth", "{tmp}/{long}"),
        ("evaluate", "{tmp}/{long}"),
        ("reconstruct", "{photos}", "--camera", "{long}.txt"),
        ("reconstruct", "{photos}", "--model", "{long}.safetensors"),
        ("reconstruct", "{photos}", "-o", "{tmp}/{long}.ply"),
    ],
)
def test_names_that_are_too_long_are_told_of(tmp_path, arguments):
    words = [word.format(long="x" * 300, tmp=tmp_path, photos=SAMPLES / "photos") for word in arguments]
    outcome = ilrm(*words)
    assert outcome.status == 1
    assert "Traceback" not in outcome.err
    assert outcome.err.startswith("error: ")
    assert len(outcome.err.strip()) <= 310
