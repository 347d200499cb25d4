"""The operations of the family: PyTorch's count, the published figures, and what the comparison shows."""

import pytest

from ilrm_cli.bench.operations import operations, operations_chart, operations_document


@pytest.fixture(scope="module")
def found():
    return {one.name: one for one in operations()}


def test_what_is_told_is_what_pytorch_counts(found):
    for one in found.values():
        assert one.counted == pytest.approx(1, rel=0.01), one.name
        assert one.gaussians == (128**2 if "half" in one.name else 256**2)


def test_the_published_comparison_is_met(found):
    compared = 0
    for one in found.values():
        for views, figure in one.authors_modules_gmac.items():
            assert one.gmac[views] == pytest.approx(figure, rel=0.2), (one.name, views)
            compared += 1
    assert compared == 18


def test_what_decoupling_buys(found):
    slopes = {name: one.slope for name, one in found.items()}
    assert max(slopes, key=slopes.__getitem__) == "GS-LRM"
    assert min(slopes, key=slopes.__getitem__) == "Long-LRM 7M1T + merge"
    assert slopes["Long-LRM 7M1T + merge"] == pytest.approx(1.1, abs=0.1)
    factor = found["GS-LRM"].gmac[8] / found["iLRM half"].gmac[8]
    assert factor == pytest.approx(5772 / 619, rel=0.2)
    assert found["iLRM half"].gmac[8] < found["GS-LRM"].gmac[2]


def test_the_page_and_the_chart(found):
    page = operations_document(tuple(found.values())).decode()
    assert "| GS-LRM | 303 M | 8" in page
    assert "[62,672]" in page
    pytest.importorskip("matplotlib")
    assert operations_chart(tuple(found.values())).startswith(b"\x89PNG")
