import dataclasses

import torch

from ilrm_cli.geometry.cameras import Cameras
from ilrm_cli.render.paths.auto import seen_shares, supported
from ilrm_cli.render.probes import Glance

WIDTH, HEIGHT = 16, 12


def looking_ahead(*x: float, z: float = 0.0, depth: float = 4.0) -> Glance:
    """Return cameras at (x, 0, z) that look along +z at a wall, which fills their pictures."""
    pose = torch.eye(4).repeat(len(x), 1, 1)
    pose[:, 0, 3], pose[:, 2, 3] = torch.tensor(x), z
    lens = torch.full((len(x), 2), 16.0)
    center = torch.tensor([[WIDTH / 2, HEIGHT / 2]]).repeat(len(x), 1)
    cameras = Cameras(pose, lens, center, WIDTH, HEIGHT)
    return Glance(cameras, torch.full((len(x), HEIGHT, WIDTH), depth), torch.ones(len(x)))


def test_a_photo_supports_itself_and_what_is_beside_it():
    photos = looking_ahead(0.0, 1.0)
    assert seen_shares(photos, photos).tolist() == [1, 1]
    assert supported(looking_ahead(0.5), photos).tolist() == [True]


def test_what_lies_beside_all_photos_was_not_seen():
    photos = looking_ahead(0.0)
    shares = seen_shares(looking_ahead(2.0, 8.0), photos)  # pictures are 4 wide at the wall
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.0]))
    assert supported(looking_ahead(2.0), photos).tolist() == [False]


def test_behind_what_photos_saw_is_not_seen():
    """A second wall, two units behind the one that the photos saw."""
    assert seen_shares(looking_ahead(0.0, depth=6.0), looking_ahead(0.0)).tolist() == [0]


def test_much_nearer_than_any_photo_is_too_near():
    photos = looking_ahead(0.0)
    assert not supported(looking_ahead(0.0, z=2.5, depth=1.5), photos).any()  # nearer than half
    assert seen_shares(looking_ahead(0.0, z=3.5, depth=0.5), photos).tolist() == [0]  # nearer than a quarter


def test_the_other_side_was_not_seen():
    photos = looking_ahead(0.0)
    turned = torch.diag(torch.tensor([-1.0, 1, -1, 1]))[None]
    turned[:, 2, 3] = 8  # looks back at the wall from behind it
    back = dataclasses.replace(photos, cameras=photos.cameras.moved(turned))
    assert seen_shares(back, photos).tolist() == [0]


def test_views_that_show_little_are_not_supported():
    photos = looking_ahead(0.0)
    faint = dataclasses.replace(photos, alpha=torch.tensor([0.5]))
    empty = dataclasses.replace(photos, depth=torch.full_like(photos.depth, torch.inf))
    assert not supported(faint, photos).any()
    assert not supported(empty, photos).any()
    assert seen_shares(empty, photos).tolist() == [0]
