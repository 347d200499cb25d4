"""Every command that writes, killed at random moments: nothing partial, nothing left behind, and a rerun works."""

import random
import signal
from collections.abc import Iterator
from itertools import chain, cycle, islice

import pytest

from tests.support.killed_commands import PROMISED, Ended
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
