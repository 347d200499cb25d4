import numpy as np
import pytest

from ilrm_cli.capture.sfm.judge import believable, failure, fault, left_out, shortcomings, triangulation_deg
from ilrm_cli.capture.sfm.match_graph import MatchGraph
from tests.support.synthetic_model import synthetic_model


def test_the_larger_model_first_and_junk_left_out():
    small, large, sparse, fisheye = (
        synthetic_model(4),
        synthetic_model(6),
        synthetic_model(6, points=10),
        synthetic_model(6),
    )
    camera = next(iter(fisheye.cameras.values()))
    camera.focal_length = 20.0 * camera.width
    assert believable([small, sparse, fisheye, large], 15) == [large, small]


def test_three_photos_at_least_unless_there_are_only_two():
    pair = synthetic_model(2)
    assert believable([pair], 2) == []


def test_models_that_few_points_hold_together_are_said_to_be_weak():
    names = {str(i): image.name for i, image in enumerate(synthetic_model().images.values())}
    assert any("Few points" in warning for warning in shortcomings([synthetic_model(points=80)], [*names.values()]))
    strong = shortcomings([synthetic_model(points=400)], [*names.values()])
    assert not any("Few points" in warning for warning in strong)


def test_every_photo_that_is_not_placed_has_its_reason():
    model, other = synthetic_model(4), synthetic_model(3, seed=1)
    placed = sorted(image.name for image in model.images.values())
    for image in other.images.values():
        image.name = f"other {image.name}"
    others = [image.name for image in other.images.values()]
    rest = ["passed over", "blank", "alone", "beside", "weak", "moved"]
    names = [*placed, *others, *rest]
    matches = np.zeros((len(names), len(names)), dtype=np.int64)
    for name, partner, count in (("beside", "alone", 0), ("beside", others[0], 90), ("weak", placed[1], 22)):
        matches[names.index(name), names.index(partner)] = matches[names.index(partner), names.index(name)] = count
    matches[names.index("moved"), 2] = matches[2, names.index("moved")] = 300
    features = tuple({"passed over": None, "blank": 12}.get(name, 3000) for name in names)
    reasons = {
        photo.name: photo.reason for photo in left_out([model, other], MatchGraph(tuple(names), features, matches))
    }
    assert list(reasons) == [*others, *rest]
    assert reasons[others[0]] == "it belongs to another model of 3 photos, which may show another place"
    assert reasons["passed over"] == "structure from motion could not read it"
    assert reasons["blank"] == "it has too few features (12; it is blurred, dark or blank)"
    assert reasons["alone"] == "it shares no points with the other photos"
    assert reasons["beside"] == f"it shares no points with the photos that were placed, only with {others[0]}"
    assert reasons["weak"] == f"it shares too few points with the photos that were placed (22 with {placed[1]})"
    assert reasons["moved"] == f"its 300 points shared with {placed[2]} fit no single position"


def test_photos_that_hang_by_few_points_are_let_go():
    """One photo keeps 3 of its points; the model that was given stays as it is."""
    model = synthetic_model(6, points=100)
    image = model.images[min(model.images)]
    seen = [index for index, point in enumerate(image.points2D) if point.has_point3D()]
    for index in seen[3:]:
        model.delete_observation(image.image_id, index)
    (held,) = believable([model], len(model.images))
    assert held.num_reg_images() == 5
    assert not held.images[image.image_id].has_pose
    assert model.num_reg_images() == 6


def test_faults_are_told_apart():
    assert fault(synthetic_model(6, points=200), 6) is None
    assert fault(synthetic_model(2), 6) == "hardly any photos could be joined"
    assert fault(synthetic_model(6, points=10), 6) == "too few points are shared"
    still = synthetic_model(6, points=200)
    for image in still.images.values():  # all cameras moved together, the points far away
        pose = image.cam_from_world()
        pose.translation = 0.001 * pose.translation - pose.rotation.matrix() @ np.array([0, 0, 1000.0])
        still.frame(image.frame_id).set_cam_from_world(image.camera_id, pose)
    assert triangulation_deg(still) < 1
    assert fault(still, 6) == "the camera hardly moved"


def test_failures_say_which_photos_to_take():
    names = tuple(f"p{i}" for i in range(6))
    none, chain = np.zeros((6, 6), dtype=np.int64), np.zeros((6, 6), dtype=np.int64)
    for i in (0, 1, 3, 4):  # p2 and p3 do not overlap
        chain[i, i + 1] = chain[i + 1, i] = 200
    assert "take photos that lead from one to the other, between p2 and p3" in failure(
        [], MatchGraph(names, (3000,) * 6, chain)
    )
    assert "no three of them share enough points" in failure([], MatchGraph(names, (3000,) * 6, none))
    overlapping = MatchGraph(names, (3000,) * 6, none + 500)
    assert "hardly moved, or only turned" in failure([], overlapping)
    assert "too few points are shared" in failure([synthetic_model(6, points=10)], overlapping)


@pytest.mark.parametrize("count", [0, 3])
def test_triangulation_angle_pair_by_pair(count):
    model = synthetic_model(3, points=count)
    angles = []
    for point in model.points3D.values():
        rays = [model.images[e.image_id].projection_center() - point.xyz for e in point.track.elements]
        rays = [ray / np.linalg.norm(ray) for ray in rays]
        angles.append(max(np.degrees(np.arccos(a @ b)) for a in rays for b in rays if a is not b))
    assert triangulation_deg(model) == pytest.approx(np.median(angles) if angles else 0)


def test_a_wide_lens_is_believed_of_a_model_that_fits_and_told():
    model = synthetic_model(6, points=400)
    assert not any("unusual" in warning for warning in shortcomings([model], ["a"] * 6))
    camera = next(iter(model.cameras.values()))
    camera.focal_length = 0.27 * max(camera.width, camera.height)
    assert believable([model], 6) == [model]
    assert fault(model, 30) == "no real lens explains what they show", "a sixth of the photos is no evidence"
    assert "a lens of 123 degrees of view, which is unusual" in " ".join(shortcomings([model], ["a"] * 6))
    for point in model.points3D.values():
        point.error = 1.5
    assert fault(model, 6) == "no real lens explains what they show", "nor is a model that does not fit"
