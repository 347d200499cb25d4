"""A few mutations of every kind of file in the suite, and 20,000 of each where minutes do not matter."""

import pytest

from tests.support.fuzzing import faults, readers

FEW, MANY = 15, 20_000


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", readers())
def test_a_few_mutations_are_read_or_refused(name):
    assert not list(faults(readers()[name], FEW))


@pytest.mark.slow
@pytest.mark.parametrize("name", readers())
def test_many_mutations_are_read_or_refused(name):
    assert not list(faults(readers()[name], MANY))
