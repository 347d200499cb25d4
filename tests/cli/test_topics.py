"""Tests of `ilrm help`: its lists and pages, and that its topics name every key that programs get."""

import dataclasses
import json
import re
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ilrm_cli.bench.timing import BenchRow
from ilrm_cli.capture.photos.cut_out import REMBG
from ilrm_cli.capture.pose_card import PoseCard
from ilrm_cli.cli import app
from ilrm_cli.cli.console import Face
from ilrm_cli.cli.help import ALIASES, TOPICS, topic_text
from ilrm_cli.data.synthetic.collection import SceneStatistics
from ilrm_cli.evaluate.scoreboard import Gain, Summary
from ilrm_cli.evaluate.surface_scores import GeometryScore
from ilrm_cli.models.catalog import Details, Row, Verified
from ilrm_cli.models.registry import PulledFrom
from ilrm_cli.pipeline.export_depth import WrittenDepth
from ilrm_cli.pipeline.measure import Measured
from ilrm_cli.pipeline.prune import Pruning
from ilrm_cli.pipeline.replay import Distance, Replay
from ilrm_cli.pipeline.trace import Reading, TracedLayer
from ilrm_cli.scene.checks import record_path
from ilrm_cli.scene.convert import Converted
from ilrm_cli.scene.record import SceneRecord
from ilrm_cli.visualize.film.film import FlythroughResult
from ilrm_cli.visualize.page.build import Shared
from tests.support.command_line import ilrm
from tests.support.small_reconstruction import reconstruction

# Objects whose keys another topic names, or that depend on the run.
ELSEWHERE = {"pose_card", "settings", "versions", "tried_db"}


def keys_of(value: Any) -> set[str]:
    """Return all keys within a JSON value, except those of ELSEWHERE."""
    if isinstance(value, dict):
        return {*value, *(key for name, inner in value.items() if name not in ELSEWHERE for key in keys_of(inner))}
    return {key for inner in value for key in keys_of(inner)} if isinstance(value, list) else set()


def named_in(topic: str) -> set[str]:
    """Return the words within back quotes."""
    return set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", topic_text(topic)))))


def fields_of(*kinds: type) -> set[str]:
    return {field.name for kind in kinds for field in dataclasses.fields(kind)}


def test_the_list_has_every_topic_that_there_is() -> None:
    shipped = {entry.name for entry in (files("ilrm_cli.cli") / "topics").iterdir()}
    assert shipped == {f"{name}.md" for name in TOPICS}
    listed = ilrm("help")
    assert listed.status == 0
    names = re.findall(r"^    ([\w-]+)  ", listed.out, re.MULTILINE)
    assert tuple(names) == TOPICS
    assert max(map(len, listed.out.splitlines())) <= 80


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_is_printed_as_it_is(name: str) -> None:
    text = topic_text(name)
    assert re.match(rf"# {name}: .+\n\n", text)
    shown = ilrm("help", name)
    assert (shown.status, shown.out, shown.err) == (0, text, "")


def test_a_topic_is_laid_out_on_a_terminal() -> None:
    shown = Face("help", as_json=False, quiet=False, verbose=False)
    shown.out = Console(file=StringIO(), force_terminal=True, width=120, highlight=False)
    shown.page(topic_text("formats"))
    assert isinstance(shown.out.file, StringIO)
    text = shown.out.file.getvalue()
    assert "KHR_gaussian_splatting" in text
    assert "|---|" not in text


@pytest.mark.parametrize("words", [[" "], ["  ", "\t"]])
def test_no_words_are_no_name(words: list[str]) -> None:
    assert ilrm("help", *words) == ilrm("help")
    assert ilrm("help", " formats ") == ilrm("help", "formats")


def test_what_downloads_weights_is_named() -> None:
    assert f"only {REMBG} does" in topic_text("weights")


@pytest.mark.parametrize("words", [["reconstruct"], ["models"], ["models", "pull"], ["help"]])
def test_the_name_of_a_command_shows_its_options(words: list[str]) -> None:
    assert ilrm("help", *words) == ilrm(*words, "--help")


def test_no_topic_is_hidden_by_a_command() -> None:
    assert not set(TOPICS) & set(app.SENTENCES)


def test_other_words_lead_to_the_topic_that_covers_them() -> None:
    assert set(ALIASES.values()) <= set(TOPICS)
    assert not set(ALIASES) & {*TOPICS, *app.SENTENCES}
    assert ilrm("help", "quality") == ilrm("help", "views")
    assert "--quality" in topic_text("views").partition("\n")[0]


@pytest.mark.parametrize(
    ("wrong", "meant"), [("frmats", "formats"), ("camera", "camera-paths"), ("JSON", "json"), ("qualty", "quality")]
)
def test_an_unknown_topic_is_one_sentence_with_the_closest_one_and_all_in_order(wrong: str, meant: str) -> None:
    refused = ilrm("help", wrong)
    assert (refused.status, refused.out) == (1, "")
    said = f"error: no topic is named {wrong} (did you mean {meant}?); there are {', '.join(TOPICS)}."
    assert refused.sentence == said
    assert "did you mean" not in ilrm("help", "xyzzy").sentence


def test_the_help_mentions_the_topics() -> None:
    assert "`ilrm help` lists them" in ilrm("--help").out


def test_every_key_of_reconstruct_is_named(made: tuple[Path, dict[str, Any]]) -> None:
    scene, result = made
    assert keys_of(result) <= named_in("json")
    assert keys_of(json.loads(record_path(scene).read_text())) <= named_in("record") | named_in("json")
    report = json.loads(scene.with_name("report.json").read_text())
    assert keys_of(report) <= named_in("reports") | named_in("json") | named_in("record")
    assert set(report) - set(result) <= named_in("reports")


def test_every_key_of_a_fit_is_named(tmp_path: Path) -> None:
    """The scene above is a draft, which has none."""
    fit = reconstruction(tmp_path, fitted=True).fit
    assert fit is not None
    assert set(fit.figures) | fields_of(Pruning) <= named_in("json")


def test_every_key_of_the_record_and_the_pose_card_is_named() -> None:
    assert fields_of(SceneRecord) <= named_in("record")
    assert fields_of(PoseCard) <= named_in("poses")


def test_every_key_of_mesh_is_named() -> None:
    from tests.cli.test_mesh import KEYS

    assert named_in("json") >= KEYS


def test_every_key_of_the_other_commands_is_named() -> None:
    kinds = (
        FlythroughResult,
        Converted,
        Shared,
        Replay,
        Distance,
        BenchRow,
        SceneStatistics,
        Row,
        Details,
        Verified,
        WrittenDepth,
        Measured,
        GeometryScore,
    )
    assert fields_of(*kinds, PulledFrom, Summary, Gain, TracedLayer, Reading) <= named_in("json")
