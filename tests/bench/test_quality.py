import torch

from ilrm_cli.bench.approximations import grouped
from ilrm_cli.bench.quality import along, compared
from ilrm_cli.model.checkpoint import LoadedModel, load_model
from ilrm_cli.preparation import Prepared
from ilrm_cli.similarity import Similarity
from tests.model.test_matching import wall


def test_neighbours_see_alike():
    order = along(wall([0.0, 3.0, 1.0, 4.0, 2.0]))
    assert order in ([0, 2, 4, 1, 3], [3, 1, 4, 2, 0])


def test_what_changes_nothing_scores_the_same(monkeypatch):
    views = wall([0.0, 0.3, 0.6], size=16)
    scene = Prepared(views[:2], views[2:], (1.0, 16.0), Similarity(1.0, torch.eye(3), torch.zeros(3)))
    changes = {"exact": lambda model, views: None, "one group": grouped(2), "alone": grouped(1)}
    monkeypatch.setattr("ilrm_cli.bench.quality.APPROXIMATIONS", changes)
    found = compared(LoadedModel(load_model("default").model, "default", ""), scene)
    assert found["exact"]["moved"] == 0
    assert found["one group"]["moved"] < 1e-3 < found["alone"]["moved"]
    assert abs(found["one group"]["psnr"] - found["exact"]["psnr"]) < 0.01
