import numpy as np

from ilrm_cli.train.log import GAP_PX, preview
from tests.support.small_models import MATCHED, random_model
from tests.support.training_samples import blob_sample


def test_ground_truth_stands_left_of_ours():
    sample = blob_sample(targets=2, size_px=32)
    picture = preview(random_model(MATCHED), sample)
    assert picture.shape == (2 * (32 + GAP_PX), 2 * (32 + GAP_PX), 3)
    truth = (sample.targets.images[1].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
    np.testing.assert_array_equal(picture[34:66, :32], truth)
    assert np.abs(picture[34:66, 34:66].astype(int) - truth).mean() > 1
