"""360 degree and circular fisheye photos of a room whose walls are textured, by known cameras."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from ilrm_cli.capture import load
from ilrm_cli.capture.filter_photos import find_photo_set
from ilrm_cli.capture.load import gather
from ilrm_cli.capture.photos.folder import ProjectFolder, VideoChoice, open_folder, open_photos
from ilrm_cli.capture.photos.round_lenses import VIEWS, fisheye_lenses, mask_of_circle, panoramas_among, perspective
from ilrm_cli.geometry.views import Capture, PosedPhoto
from tests.support.photographed import cameras_on_an_arc, save_photos, texture
from tests.support.posed_projects import cut_short

HALF = np.array([2.0, 1.5, 2.5])  # sizes of the room


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give each test a cache of its own."""
    monkeypatch.setenv("ILRM_CACHE", str(tmp_path / "cache"))


def seen(origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Return the colours of the room's walls along rays."""
    with np.errstate(divide="ignore"):
        reach = np.where(rays > 0, (HALF - origin) / rays, (-HALF - origin) / rays)
    axis = reach.argmin(-1)
    hit = origin + reach.min(-1)[..., None] * rays
    colors = np.zeros((*axis.shape, 3), np.uint8)
    for wall in range(3):
        across = [other for other in range(3) if other != wall]
        chosen = axis == wall
        places = ((hit[chosen][:, across] / HALF[across] + 1) * 250).astype(int) % 1024
        side = (rays[chosen][:, wall] > 0).astype(int)
        textures = np.stack([texture(2 * wall), texture(2 * wall + 1)])
        colors[chosen] = textures[side, places[:, 1], places[:, 0]]
    return colors


def panorama(origin: np.ndarray, width: int = 768) -> np.ndarray:
    longitude = (np.arange(width) + 0.5) / width * 2 * np.pi - np.pi
    latitude = np.pi / 2 - (np.arange(width // 2) + 0.5) / (width // 2) * np.pi
    longitude, latitude = np.meshgrid(longitude, latitude)
    level = np.cos(latitude)
    return seen(origin, np.stack([level * np.sin(longitude), -np.sin(latitude), level * np.cos(longitude)], -1))


def fisheye(origin: np.ndarray, size: int = 480) -> np.ndarray:
    """Return an equidistant picture of 180 degrees in the circle that touches the edges."""
    x, y = np.meshgrid(np.arange(size) + 0.5 - size / 2, np.arange(size) + 0.5 - size / 2)
    radius = np.hypot(x, y)
    angle = radius * np.pi / size
    rays = np.stack([x * np.sin(angle) / radius, y * np.sin(angle) / radius, np.cos(angle)], -1)
    picture = seen(origin, rays)
    picture[angle > np.pi / 2] = 0
    return picture


def full_frame(origin: np.ndarray) -> np.ndarray:
    """Return the inside of such a picture, the diagonal of which sees 180 degrees."""
    return fisheye(origin, 800)[160:640, 80:720]


def saved(folder: Path, pictures: list[np.ndarray], lens: str = "") -> dict[str, Path]:
    folder.mkdir()
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.LensModel] = lens
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"p{number:02d}.jpg", quality=92, exif=exif)
    return {path.name: path for path in sorted(folder.iterdir())}


def places(count: int) -> list[np.ndarray]:
    return [np.array([-0.8 + 0.16 * i, 0.1 * math.sin(2 * i), -1 + 0.1 * i]) for i in range(count)]


@pytest.mark.parametrize("yaw_deg", [0.0, 60.0, 180.0, 275.0])
def test_a_view_is_what_a_pinhole_camera_sees(yaw_deg: float) -> None:
    origin, yaw, focal = np.array([0.3, -0.2, 0.4]), math.radians(yaw_deg), 150.0
    turn = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    x, y = np.meshgrid(np.arange(300) + 0.5 - 150, np.arange(300) + 0.5 - 150)
    expected = seen(origin, np.stack([x, y, np.full_like(x, focal)], -1) @ turn.T).astype(float)
    view = perspective(panorama(origin, 2048), yaw_deg, focal, 300).astype(float)
    assert 10 * np.log10(255**2 / np.square(view - expected).mean()) > 27  # of a texture that is finer than pixels
    assert abs(view.mean() - expected.mean()) < 1


def test_kinds_are_told_apart(tmp_path: Path) -> None:
    round_ones = saved(tmp_path / "round", [panorama(place) for place in places(4)])
    circular = saved(tmp_path / "circular", [fisheye(place) for place in places(4)])
    flat = {path.name: path for path in save_photos(tmp_path / "flat", cameras_on_an_arc(4))}
    wide = saved(tmp_path / "wide", [picture[100:300, :400] for picture in (texture(1), texture(2))])
    assert panoramas_among(round_ones) == set(round_ones)
    assert not panoramas_among(circular | flat | wide)
    assert list(fisheye_lenses(circular)) == list(circular)
    assert not fisheye_lenses(round_ones | flat | wide)


@pytest.mark.parametrize(("radius", "found"), [(0.3, 0), (0.36, 0), (0.4, 0), (0.47, 3), (0.5, 3)])
def test_a_ball_before_black_is_no_lens(tmp_path: Path, radius: float, found: int) -> None:
    """Its radius as a share of the shorter side; a lens fills that."""
    y, x = np.indices((480, 640)) + 0.5
    inside = np.hypot(x - 320, y - 240) < radius * 480
    pictures = [np.where(inside[..., None], texture(number)[:480, :640], 0).astype(np.uint8) for number in range(3)]
    assert len(fisheye_lenses(saved(tmp_path / "photos", pictures))) == found


def test_a_mark_in_the_data_of_a_photo_tells_too(tmp_path: Path) -> None:
    mark = b'<x:xmpmeta GPano:ProjectionType="equirectangular"/>'
    Image.fromarray(texture(1)[:200, :400]).save(tmp_path / "a.jpg", xmp=mark)
    Image.fromarray(texture(1)[:300, :400]).save(tmp_path / "b.jpg", xmp=mark)
    assert panoramas_among({name: tmp_path / name for name in ("a.jpg", "b.jpg")}) == {"a.jpg"}


def test_the_lens_that_is_guessed(tmp_path: Path) -> None:
    lens = fisheye_lenses(saved(tmp_path / "c", [fisheye(place) for place in places(3)]))["p00.jpg"]
    assert (lens.model, lens.width, lens.height) == ("OPENCV_FISHEYE", 480, 480)
    assert lens.params == pytest.approx((480 / np.pi, 480 / np.pi, 240, 240, 0, 0, 0, 0), rel=0.03)


def test_a_lens_that_is_called_so_is_a_fisheye_lens(tmp_path: Path) -> None:
    pictures = [full_frame(place) for place in places(3)]
    lens = fisheye_lenses(saved(tmp_path / "named", pictures, "smc PENTAX-DA FISH-EYE 10-17mm"))["p00.jpg"]
    assert (lens.model, lens.width, lens.height) == ("OPENCV_FISHEYE", 640, 480)
    assert lens.params == pytest.approx((800 / np.pi, 800 / np.pi, 320, 240, 0, 0, 0, 0))
    assert not fisheye_lenses(saved(tmp_path / "unnamed", pictures, "EF50mm f/1.8 STM"))


def test_panoramas_are_cut_and_other_photos_left_out(tmp_path: Path) -> None:
    saved(tmp_path / "photos", [panorama(place) for place in places(3)])
    save_photos(tmp_path / "photos", cameras_on_an_arc(1))
    photos = find_photo_set(open_folder(tmp_path / "photos"), VideoChoice())
    assert [name for name in photos.paths if name.startswith("p00")] == [f"p00.jpg/{i}.jpg" for i in range(VIEWS)]
    assert photos.known
    assert all(lens.params == pytest.approx((160, 160, 160, 160)) for lens in photos.lenses.values())
    assert [left.name for left in photos.left_out] == ["photo_000.png"]
    assert photos.found == len(photos.paths) + 1
    assert "3 photos are 360 degree panoramas" in photos.warnings[0]


def test_masks_are_cut_with_their_photos(tmp_path: Path) -> None:
    """One photo has a mask of its lower half, one is transparent on the right of its middle, one has neither."""
    saved(tmp_path / "photos", [panorama(place) for place in places(3)])
    (tmp_path / "photos" / "masks").mkdir()
    mask = np.full((384, 768), 255, np.uint8)
    mask[192:] = 0
    Image.fromarray(mask).save(tmp_path / "photos" / "masks" / "p00.jpg.png")
    clear = np.dstack([panorama(places(2)[1]), np.where(np.arange(768) < 384, 255, 0)[None].repeat(384, 0)])
    marked = PngImagePlugin.PngInfo()
    marked.add_itxt("XML:com.adobe.xmp", "ProjectionType=equirectangular")
    Image.fromarray(clear.astype(np.uint8)).save(tmp_path / "photos" / "p01.png", pnginfo=marked)
    (tmp_path / "photos" / "p01.jpg").unlink()
    photos = find_photo_set(open_folder(tmp_path / "photos"), VideoChoice())
    assert {name.split("/")[0] for name in photos.masks} == {"p00.jpg", "p01.png"}
    half = np.asarray(Image.open(photos.masks["p00.jpg/2.jpg"]))
    assert not half[161:].any()
    assert half[:159].all()
    sides = np.asarray(Image.open(photos.masks["p01.png/0.jpg"]))
    assert not sides[:, 161:].any()
    assert sides[:, :159].all()
    behind = [left.name for left in photos.left_out]
    assert behind == ["p01.png/1.jpg", "p01.png/2.jpg"], "views of nothing but what is transparent"


def test_a_damaged_360_degree_photo_is_left_out_with_its_reason(tmp_path: Path) -> None:
    mark = b'<x:xmpmeta GPano:ProjectionType="equirectangular"/>'
    for number, place in enumerate(places(5)):
        marked = {"xmp": mark} if number < 4 else {}
        Image.fromarray(panorama(place)).save(tmp_path / f"p{number}.jpg", **marked)
    for name in ("p0.jpg", "p4.jpg"):
        cut_short(tmp_path / name)
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.zeros((384, 768), np.uint8)).save(tmp_path / "masks" / "p1.png")
    photos = find_photo_set(open_folder(tmp_path), VideoChoice())
    assert {name.split("/")[0] for name in photos.paths} == {"p2.jpg", "p3.jpg"}
    why = {left.name: left.reason for left in photos.left_out}
    assert why["p0.jpg"] == why["p4.jpg"] == "it is cut short"
    assert "its mask cannot be used" in why["p1.jpg"]
    assert photos.found == 2 * VIEWS + 3


def test_360_degree_photos_given_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their views, which lie in the cache, are what was given; structure from motion itself is left out here."""
    paths = saved(tmp_path / "photos", [panorama(place) for place in places(4)])

    def posed(folder: ProjectFolder, *_: object) -> Capture:
        views = find_photo_set(folder, VideoChoice())
        photos = [PosedPhoto(name, path, views.lenses[name], np.eye(4)) for name, path in views.paths.items()]
        return Capture(tuple(photos), views.found, "sfm", np.zeros((0, 3)), root=folder.root)

    monkeypatch.setattr(load, "_from_sfm", posed)
    capture = gather(open_photos([paths[name] for name in ("p00.jpg", "p01.jpg", "p03.jpg")]))
    assert {photo.name.split("/")[0] for photo in capture.photos} == {"p00.jpg", "p01.jpg", "p03.jpg"}
    assert len(capture.photos) == capture.found == 3 * VIEWS
    assert capture.given == ("p00.jpg", "p01.jpg", "p03.jpg")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [panorama, fisheye, full_frame])
def test_poses_are_found(tmp_path: Path, kind) -> None:
    lens = "AF Fisheye-Nikkor 16mm f/2.8D" if kind is full_frame else ""
    saved(tmp_path / "photos", [kind(place) for place in places(10)], lens)
    capture = gather(open_folder(tmp_path / "photos"))
    assert len(capture.photos) >= (8 * VIEWS if kind is panorama else 10)  # coarse walls hide some of small views
    assert capture.error_px < 1
    model = "PINHOLE" if kind is panorama else "OPENCV_FISHEYE"
    assert {photo.lens.model for photo in capture.photos} == {model}


def test_what_lies_outside_of_a_circle_is_masked(tmp_path: Path) -> None:
    """With the photo's own mask, or alone; the radius is a share of the shorter side."""
    photo, own = tmp_path / "a.png", tmp_path / "mask.png"
    Image.fromarray(texture(1)[:100, :200]).save(photo)
    Image.fromarray(np.repeat([[0] * 100 + [255] * 100], 100, axis=0).astype(np.uint8)).save(own)
    kept = np.asarray(Image.open(mask_of_circle(photo, 0.4)))
    assert kept[50, 61:139].all()
    assert not kept[50, :60].any()
    assert kept.sum() == pytest.approx(np.pi * 40**2, rel=0.01)
    both = np.asarray(Image.open(mask_of_circle(photo, 0.4, own)))
    np.testing.assert_array_equal(both, kept & (np.arange(200) >= 100))
