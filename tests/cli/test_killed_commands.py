"""Every command that writes, killed at random moments: nothing partial, nothing left behind, and a rerun works."""

import random
import signal
from collections.abc import Iterator
from itertools import chain, cycle, islice
from pathlib import Path

import pytest

from ilrm_cli.models.registry import KNOWN, PUBLISHED_REPOSITORY
from tests.models.test_checkpoint import publish
from tests.support.hub_server import Hub, serving
from tests.support.killed_commands import PROMISED, Ended, Place
from tests.support.small_models import published, random_model
from tests.support.writing_commands import CASES, Trial

pytestmark = pytest.mark.slow

SIGNALS = 5  # to each command, at moments of its time
KILLS = 2  # of each before a change in its output folder: moments hardly ever hit what takes microseconds


@pytest.mark.parametrize("name", CASES)
def test_whenever_it_is_killed(name, start, tmp_path):
    trial, chance = Trial(name, start, tmp_path), random.Random(name)
    for number, ended in chain(disturbed(trial, name, chance), killed_between(trial, chance)):
        judge(trial, ended, number)


def disturbed(trial: Trial, name: str, chance: random.Random) -> Iterator[tuple[signal.Signals, Ended]]:
    """Send signals at random moments to a command that starts over."""
    first = list(CASES).index(name)
    for number in islice(cycle(PROMISED), first, first + SIGNALS):
        sent = False
        while not sent:
            trial.start_over()
            ended = trial.place.run(*trial.words, sends=number, after_s=chance.uniform(0.1, 1) * trial.whole.seconds)
            sent = ended.sent
        yield number, ended


def killed_between(trial: Trial, chance: random.Random) -> Iterator[tuple[signal.Signals, Ended]]:
    """Kill it before random ones of the changes that it makes in the output folder."""
    for change in chance.sample(range(1, trial.whole.changes + 1), KILLS):
        trial.start_over()
        watched = {"TEST_WATCHED": str(trial.place.out), "TEST_CHANGES": str(change)}
        ended = trial.place.run(*trial.words, **watched)
        assert ended.status == -signal.SIGKILL
        yield signal.SIGKILL, ended


def judge(trial: Trial, ended: Ended, number: signal.Signals) -> None:
    """Check what a command that got the signal said and left, and that the same command works again."""
    place, there = trial.place, trial.place.visible()
    place.require_whole()
    assert there.keys() <= trial.files.keys()
    assert ended.status in (PROMISED[number], 0), ended.err
    assert ended.status or trial.case.goes_on or there.keys() == trial.files.keys()
    if number != signal.SIGKILL:
        assert place.hidden() == []
        assert "Traceback" not in ended.err, ended.err
        assert "nothing was written" not in ended.err or there == {}
        assert there or trial.case.goes_on or not place.out.exists(), "an empty folder"
    trial.run_after()


PULLED = "re10k-2view"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Serve a hub with weights of 64 MB; yield the variables by which commands find it."""
    publish(random_model(published("re10k")), "re10k", tmp_path / "tiny.ckpt")
    content = (tmp_path / "tiny.ckpt").read_bytes() + bytes(64 << 20)
    with serving(Hub(PUBLISHED_REPOSITORY, {"c" * 40: {KNOWN[PULLED].published.file: content}})) as running:
        yield {"HF_ENDPOINT": running.endpoint, "NO_PROXY": "127.0.0.1", "HF_HUB_OFFLINE": "0"}


def test_a_download_whenever_it_is_killed(tmp_path: Path, hub: dict[str, str]) -> None:
    """Its weights are in the cache as a whole or not at all; a pull after it has them, and nothing else is left."""
    place, chance = Place(tmp_path / "place"), random.Random(PULLED)
    models = place.cache / "models"
    watched = {"TEST_WATCHED": str(models)}
    whole = place.run("models", "pull", PULLED, **hub, **watched)
    assert whole.status == 0, whole.err
    made = sorted(path.relative_to(models) for path in models.rglob("*"))
    changes = chance.sample(range(1, whole.changes + 1), 3)
    for number, change in [*((number, 0) for number in PROMISED), *((signal.SIGKILL, change) for change in changes)]:
        place.empty_cache()
        if change:
            ended = place.run("models", "pull", PULLED, **hub, **watched, TEST_CHANGES=str(change))
        else:
            after_s = chance.uniform(0.3, 1) * whole.seconds
            ended = place.run("models", "pull", PULLED, sends=number, after_s=after_s, **hub)
        assert ended.status in (PROMISED[number], 0), ended.err
        if number != signal.SIGKILL:
            assert place.hidden() == []
            assert "Traceback" not in ended.err, ended.err
        assert place.run("models", "verify", **hub).status == 0
        again = place.run("models", "pull", PULLED, **hub)
        assert again.status == 0, again.err
        assert sorted(path.relative_to(models) for path in models.rglob("*")) == made
        assert place.run("models", "verify", PULLED, **hub).status == 0
        assert place.hidden() == []


@pytest.mark.parametrize("number", PROMISED)
def test_a_page_that_is_shown_whenever_it_is_killed(number: signal.Signals, start: Path, tmp_path: Path) -> None:
    place, chance = Place(tmp_path / "place"), random.Random(number)
    for after_s in (chance.uniform(0.2, 3), chance.uniform(3, 8)):
        ended = place.run("view", start / "s.ply", "--no-browser", sends=number, after_s=after_s)
        assert ended.sent
        assert ended.status in (PROMISED[number], 0), ended.err
        assert "Traceback" not in ended.err, ended.err
        assert number == signal.SIGKILL or place.hidden() == []
    assert place.run("export", start / "s.ply", "-o", tmp_path / "s.spz").status == 0
    assert place.hidden() == [], "what was killed left something"
