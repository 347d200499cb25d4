from ilrm_cli.pose.sfm_judge import believable, shortcomings
from tests.pose.synthetic import synthetic_model


def test_the_larger_model_first_and_junk_left_out():
    small, large, sparse, fisheye = (
        synthetic_model(4),
        synthetic_model(6),
        synthetic_model(6, points=10),
        synthetic_model(6),
    )
    camera = next(iter(fisheye.cameras.values()))
    camera.focal_length = 20.0 * camera.width
    assert believable([small, sparse, fisheye, large], 12) == [large, small]


def test_three_photos_at_least_unless_there_are_only_two():
    pair = synthetic_model(2)
    assert believable([pair], 20) == []
    assert believable([pair], 2) == [pair]


def test_models_that_few_points_hold_together_are_said_to_be_weak():
    names = {str(i): image.name for i, image in enumerate(synthetic_model().images.values())}
    assert any("Few points" in warning for warning in shortcomings([synthetic_model(points=80)], [*names.values()]))
    strong = shortcomings([synthetic_model(points=400)], [*names.values()])
    assert not any("Few points" in warning for warning in strong)
