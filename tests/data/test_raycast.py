import math

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from ilrm_cli.data.synthetic.materials.reliefs import RELIEF_SIDE, relief_bank, relief_tile
from ilrm_cli.data.synthetic.objects.kit import random_turn
from ilrm_cli.data.synthetic.raycaster.hits import normal_at
from ilrm_cli.data.synthetic.raycaster.raycast import depth_of, render_scene
from ilrm_cli.data.synthetic.raycaster.scene import UPRIGHT
from ilrm_cli.data.synthetic.raycaster.shading import OPEN, ROOM
from ilrm_cli.data.synthetic.raycaster.solids import (
    BOX,
    CURVED,
    ELLIPSOID,
    FRUSTUM,
    RELIEF,
    ROUNDED,
    SUPERQUADRIC,
    TERRAIN,
    TORUS,
)
from ilrm_cli.data.synthetic.scenes.by_number import make_scene
from ilrm_cli.data.synthetic.trajectories import draw_cameras
from tests.support.solids_by_hand import camera, rays, scene_of

TURN = random_turn(np.random.default_rng(3))
CLIP = (0.6, 0.0, 0.8, 0.2)
CARVE = (0.1, 0.0, 0.4, 0.7, 0.6, 0.9)
SOLIDS = {
    "box": (BOX, 0.0, {}),
    "ellipsoid": (ELLIPSOID, 0.0, {}),
    "cylinder": (FRUSTUM, 0.0, {}),
    "frustum": (FRUSTUM, 0.6, {}),
    "cone": (FRUSTUM, 1.0, {}),
    "torus": (TORUS, 0.3, {}),
    "rounded box": (ROUNDED, 0.2, {}),
    "cut ellipsoid": (ELLIPSOID, 0.0, {"clip": CLIP}),
    "cut box": (BOX, 0.0, {"clip": CLIP}),
    "bowl": (ELLIPSOID, 0.0, {"clip": (0.0, 0.0, 1.0, 0.1), "carve": (0.0, 0.0, 0.1, 0.8, 0.8, 0.8)}),
    "open box": (BOX, 0.0, {"carve": CARVE}),
    "bored box": (BOX, 0.0, {"carve": (0.0, 0.1, 0.3, 0.7, 0.6, 0.9), "hollow": FRUSTUM}),
    "egg with a slot": (ELLIPSOID, 0.0, {"carve": (0.0, 0.2, 0.6, 0.4, 1.2, 0.6), "hollow": BOX}),
    "cut torus": (TORUS, 0.35, {"clip": CLIP}),
    "cut rounded box": (ROUNDED, 0.2, {"clip": CLIP}),
    "octahedron": (SUPERQUADRIC, (1.15, 1.1), {}),
    "pillow": (SUPERQUADRIC, (2.0, 6.0), {}),
    "rod with round caps": (SUPERQUADRIC, (7.0, 2.0), {}),
    "cut superquadric": (SUPERQUADRIC, (3.0, 1.4), {"clip": CLIP}),
    "hills": (RELIEF, (0.5, 0.7, 0.9, relief_tile("hills", 0)), {}),
    "cobbles": (RELIEF, (0.4, 1.0, 1.0, relief_tile("stones", 0)), {}),
    "mound": (TERRAIN, (0.3, 0.9, 0.9, relief_tile("ridges", 1)), {"turn": UPRIGHT}),  # seen from above
    "cut relief": (RELIEF, (0.8, 0.5, 0.5, relief_tile("quilt", 0)), {"clip": CLIP}),
    "pipe": (FRUSTUM, 0.3, {"carve": (0.0, 0.0, 0.2, 0.7, 0.7, 1.3)}),
}


def relief_height(param: tuple, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return heights of a tile by a spline of another library, in float64."""
    heights = relief_bank(0)[0][int(param[3])].astype(float).reshape(RELIEF_SIDE, RELIEF_SIDE)
    at = [0.5 * periods * s * RELIEF_SIDE - 0.5 for periods, s in ((param[2], y), (param[1], x))]
    return map_coordinates(heights, at, order=2, mode="grid-wrap", prefilter=False)


def inside_unit(kind: int, param, p: np.ndarray, half) -> np.ndarray:
    """Return which points of unit space [..., 3] are in the plain solid, written independently of the ray tests."""
    x, y, z = np.moveaxis(p, -1, 0)
    cube = np.abs(p).max(-1) <= 1
    if kind == SUPERQUADRIC:
        e1, e2 = 2 / param[0], 2 / param[1]  # Barr's exponents
        return (np.abs(x) ** (2 / e2) + np.abs(y) ** (2 / e2)) ** (e2 / e1) + np.abs(z) ** (2 / e1) <= 1
    if kind in (RELIEF, TERRAIN):
        top = 1 - param[0] * (1 - relief_height(param, x, y))
        rim = np.maximum(1 - x**2 - y**2, 0) ** 2 if kind == TERRAIN else 1.0
        return cube & (z <= 2 * rim * top - 1)
    if kind == BOX:
        return cube
    if kind == ELLIPSOID:
        return (p**2).sum(-1) <= 1
    if kind == FRUSTUM:
        return cube & (np.hypot(x, y) <= 1 - param * (1 + z) / 2)
    if kind == TORUS:
        return (np.hypot(x, y) - 1 + param) ** 2 + z**2 <= param**2
    core = np.abs(p) * half - (np.array(half) - param)
    return np.linalg.norm(np.maximum(core, 0), axis=-1) <= param


STEP = 0.004  # of the march, in z-depth; what it finds is then halved
HALVINGS = 6


def first_depth_by_marching(kind, param, half, more, at, cameras, far=6.0) -> np.ndarray:
    origin, direction = rays(cameras)
    turn = np.array(more.get("turn", np.eye(3)))

    def solid_at(t: np.ndarray) -> np.ndarray:
        p = ((origin + t[..., None] * direction - at) @ turn) / half
        solid = inside_unit(kind, param, p, half)
        if "clip" in more:
            solid &= p @ np.array(more["clip"][:3]) <= more["clip"][3]
        if "carve" in more:
            carve = np.array(more["carve"])
            solid &= ~inside_unit(more.get("hollow", kind), param, (p - carve[:3]) / carve[3:], half)
        return solid

    depth = np.full(direction.shape[:2], np.inf)
    for t in np.arange(far, 0, -STEP):
        depth[solid_at(np.full_like(depth, t))] = t
    hit, width = np.isfinite(depth), STEP
    for _ in range(HALVINGS):
        width /= 2
        nearer = np.where(hit, depth - width, 0.0)
        depth = np.where(hit & solid_at(nearer), nearer, depth)
    return depth


def test_depth_of_unit_sphere_is_analytic():
    cameras = camera((0.0, -3.0, 0.0))
    depth = depth_of(scene_of((ELLIPSOID, (0, 0, 0), (1, 1, 1), 0.0, {})), cameras)[0].numpy()
    origin, direction = rays(cameras)
    a, b, c = (direction**2).sum(-1), direction @ origin, origin @ origin - 1
    hit = b * b - a * c > 0
    np.testing.assert_allclose(depth[hit], ((-b - np.sqrt(np.maximum(b * b - a * c, 0))) / a)[hit], rtol=1e-5)
    assert depth[16, 16] == pytest.approx(2.0, abs=1e-5)
    assert depth[~hit].min() > 10


def test_ground_room_and_sky_depths_are_analytic():
    looking_down = camera((0.0, -3.0, 2.0))
    _, direction = rays(looking_down)
    pebble = (ELLIPSOID, (50, 50, 0), (0.1, 0.1, 0.1), 0.0, {})
    ground = depth_of(scene_of(pebble, background_kind=OPEN), looking_down)[0].numpy()
    np.testing.assert_allclose(ground, -2.0 / direction[..., 2], rtol=1e-4)
    room = depth_of(scene_of(pebble, background_kind=ROOM), camera((0.0, -3.0, 2.0), (0.0, 4.0, 2.0)))[0]
    assert room[16, 16] == pytest.approx(7.0, rel=1e-5)


@pytest.mark.parametrize("name", SOLIDS)
def test_depth_agrees_with_marching_through_the_solid(name):
    kind, param, more = SOLIDS[name]
    half = (0.8, 0.8, 0.8) if kind == TORUS else (0.9, 0.6, 0.7)
    at, more = (0.1, 0.2, -0.1), {"turn": TURN, **more}
    cameras = camera((1.2, -2.0, 1.8))
    depth = depth_of(scene_of((kind, at, half, param, more)), cameras)[0].numpy()
    depth[depth > 6] = np.inf
    wanted = first_depth_by_marching(kind, param, half, more, at, cameras)
    assert 0.05 < np.isfinite(wanted).mean() < 0.9
    agree = np.isclose(depth, wanted, atol=1e-3)
    assert agree.mean() > (0.99 if kind == TERRAIN else 0.995)  # silhouettes and feather edges may differ by a pixel
    both = np.isfinite(depth) & np.isfinite(wanted)
    assert np.quantile(np.abs(depth[both] - wanted[both]), 0.99) < 1e-3


@pytest.mark.parametrize(
    ("kind", "param"),
    [
        (ELLIPSOID, 0.0),
        (FRUSTUM, 0.5),
        (TORUS, 0.3),
        (ROUNDED, 0.2),
        (SUPERQUADRIC, (2.5, 1.6)),
        (TERRAIN, (0.3, 0.4, 0.4, relief_tile("hills", 1))),
    ],
)
def test_normals_are_perpendicular_to_the_surface(kind, param):
    half = (0.8, 0.8, 0.8) if kind == TORUS else (0.9, 0.6, 0.7)
    turn = UPRIGHT if kind == TERRAIN else TURN
    scene, cameras = scene_of((kind, (0, 0, 0), half, param, {"turn": turn})), camera((1.0, -2.4, 0.9), side=129)
    depth = depth_of(scene, cameras)[0].double().numpy()
    origin, direction = rays(cameras)
    points = origin + depth[..., None] * direction
    tried = 0
    for row, column in np.random.default_rng(0).integers(2, 127, (1500, 2)):
        around = depth[row - 1 : row + 2, column - 1 : column + 2]
        if around.max() > 5 or np.ptp(around) > 0.1:
            continue
        along = points[row, column + 1] - points[row, column - 1], points[row + 1, column] - points[row - 1, column]
        measured = np.cross(*along)
        m = scene.shapes.local_from_world[0].astype(float)
        unit = (m[:, :3] @ points[row, column] + m[:, 3]).astype(np.float32)
        if kind in (FRUSTUM, TERRAIN) and abs(unit[2]) > 0.9:  # flat
            continue
        normal = np.array(normal_at(scene.shapes, 0, CURVED, *unit))
        assert np.linalg.norm(normal) == pytest.approx(1, abs=1e-4)
        assert normal @ direction[row, column] < 0
        assert abs(normal @ measured) / np.linalg.norm(measured) > 0.99
        tried += 1
    assert tried >= 10


def test_shadow_darkens_the_ground_below_a_solid():
    cameras = camera((0.0, -4.0, 3.0))
    solid = (BOX, (0.0, 0.0, 1.0), (0.4, 0.4, 0.1), 0.0, {})
    away = (BOX, (30.0, 30.0, 1.0), (0.4, 0.4, 0.1), 0.0, {})
    lit, _ = render_scene(scene_of(away, background_kind=OPEN), cameras, 1)
    shaded, depth = render_scene(scene_of(solid, background_kind=OPEN), cameras, 1)
    open_ground = depth == depth_of(scene_of(away, background_kind=OPEN), cameras)
    change = (lit - shaded)[0][:, open_ground[0]]
    assert change.min() > -1e-3  # light is only taken away
    assert (change / lit[0][:, open_ground[0]]).max() > 0.08


def test_pictures_do_not_depend_on_threads_and_edges_are_smooth():
    scene = make_scene(0, 4)
    cameras = draw_cameras(scene, np.random.default_rng(0), 3, 40, 24)
    one = render_scene(scene, cameras, 4, threads=1)
    two = render_scene(scene, cameras, 4, threads=3)
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])
    fine, _ = render_scene(scene, cameras, 64)
    coarse, _ = render_scene(scene, cameras, 1)
    assert (one[0] - fine).square().mean() < 0.6 * (coarse - fine).square().mean()


def test_matte_points_look_the_same_from_two_views():
    """Warping one view into another by depth: colours agree where both see the point."""
    solids = [(BOX, (0.3, 0.2, 0.5), (0.5, 0.5, 0.5), 0.0, {}), (ELLIPSOID, (-0.7, 0, 0.5), (0.4, 0.4, 0.5), 0.0, {})]
    scene = scene_of(*solids, background_kind=ROOM)
    first, second = (camera(p, (0, 0, 0.5), side=96) for p in ((0.0, -2.5, 1.4), (0.7, -2.4, 1.6)))
    (image, depth), (other, other_depth) = (render_scene(scene, c, 16) for c in (first, second))
    origin, direction = rays(first)
    world = torch.from_numpy(origin + depth[0].double().numpy()[..., None] * direction).float()
    pose = second.cam_from_world[0]
    local = world @ pose[:3, :3].T + pose[:3, 3]
    pixel = local[..., :2] / local[..., 2:] * second.focal_px[0] + second.center_px[0]
    grid = (pixel / 96 * 2 - 1)[None]
    warped = torch.nn.functional.grid_sample(other, grid, align_corners=False)[0]
    there = torch.nn.functional.grid_sample(other_depth[None], grid, align_corners=False)[0, 0]
    same = ((there - local[..., 2]).abs() < 0.005 * local[..., 2]) & (grid[0].abs() < 0.98).all(-1)
    assert same.float().mean() > 0.5
    error = (warped - image[0]).abs().mean(0)[same]
    baseline = (other[0] - image[0]).abs().mean(0)[same]
    assert error.mean() < 0.02
    assert error.mean() < 0.4 * baseline.mean()


def test_far_solids_keep_their_depth():
    far = depth_of(scene_of((ELLIPSOID, (0, 0, 0), (1, 1, 1), 0.0, {})), camera((0.0, -30.0, 0.0), fov_deg=5))[0]
    assert far[16, 16] == pytest.approx(29.0, rel=1e-5)
    assert math.isfinite(float(far.max()))
