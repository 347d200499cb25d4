"""`ilrm measure`: distances of cameras and of points on a sphere, and the size of the unit by a length or by GPS."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from ilrm_cli.pipeline.settings import length_m
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.record import read_record
from tests.cli.conftest import SAMPLES
from tests.support.command_line import ilrm
from tests.support.geotags import geotagged, write_at
from tests.support.records import write_record
from tests.support.shelled import around, scene_of, sphere

CAMERAS = around(6, side_px=96, focal_px=110.0)


@pytest.fixture
def scene(tmp_path):
    return scene_of(sphere(2000), CAMERAS, tmp_path / "scene.ply")


def test_two_photos_are_as_far_apart_as_their_cameras(scene):
    found = ilrm("measure", scene, "photo 00.jpg", "photo 03.jpg", "--json").json
    assert found["units"] == pytest.approx(float((CAMERAS.positions[0] - CAMERAS.positions[3]).norm()), rel=1e-6)
    assert found["metres"] is None


def test_pixels_are_places_on_the_surface(scene):
    # The middles of two pictures show where the lines from the cameras to the sphere's middle meet it.
    found = ilrm("measure", scene, "photo 01.jpg 48,48", "photo 04.jpg 48,48", "--json").json
    assert found["pictures_px"] == {"photo 01.jpg": [96, 96], "photo 04.jpg": [96, 96]}
    assert (
        "in photo 01.jpg pixels count as the scene has it: at 96x96 px"
        in ilrm("measure", scene, "photo 01.jpg 48,48", "photo 00.jpg").out
    )
    a, b = (CAMERAS.positions[i] / CAMERAS.positions[i].norm() for i in (1, 4))
    assert found["units"] == pytest.approx(float((a - b).norm()), rel=0.02)


def test_a_record_that_was_copied_leads_to_the_scene_beside_it(scene):
    (scene.parent / "other").mkdir()
    small = scene.parent / "other" / "small.spz"
    assert ilrm("export", scene, "-o", small).status == 0
    words = ("photo 01.jpg 48,48", "photo 04.jpg", "--json")
    found = ilrm("measure", small.with_suffix(".json"), *words)
    assert found.status == 0, found.err
    assert found.json == ilrm("measure", small, *words).json


def test_a_known_length_gives_the_scene_its_size(scene):
    told = ilrm("measure", scene, "photo 00.jpg", "photo 03.jpg", "--is", "70cm")
    assert told.status == 0, told.err
    assert "0.7 m" in told.out
    units = float((CAMERAS.positions[0] - CAMERAS.positions[3]).norm())
    assert read_record(scene.with_suffix(".json")).metres_per_unit == pytest.approx(0.7 / units)
    again = ilrm("measure", scene, "photo 03.jpg", "photo 00.jpg", "--json").json
    assert again["metres"] == pytest.approx(0.7)


def test_a_mesh_in_metres_needs_the_size_and_has_it(scene, monkeypatch):
    monkeypatch.setattr("ilrm_cli.pipeline.mesh.LONG_SIDE_PX", 128)
    words = ("--metres", "--resolution", "48")
    assert "the size of the scene is not known" in ilrm("mesh", scene, "-o", scene.with_name("m.stl"), *words).sentence
    units = float((CAMERAS.positions[0] - CAMERAS.positions[3]).norm())
    ilrm("measure", scene, "photo 00.jpg", "photo 03.jpg", "--is", f"{units / 100}m")
    assert ilrm("mesh", scene, "-o", scene.with_name("m.ply"), *words).status == 0
    assert trimesh.load(scene.with_name("m.ply")).extents == pytest.approx([0.02] * 3, rel=0.1)


def test_gps_gives_the_size_too_and_says_how_well_it_fits(scene):
    project = scene.with_name("project")
    photos = project / "images"
    photos.mkdir(parents=True)
    positions = CAMERAS.positions.numpy() * 20  # a unit is 20 m
    for index, (east, north, up) in enumerate(positions):
        geotagged(photos / f"photo {index:02d}.jpg", east, north, up)
    found = ilrm("measure", scene, "--gps", "--photos", project, "--json")
    assert found.status == 0, found.err
    assert found.json["metres_per_unit"] == pytest.approx(20, rel=0.01)
    assert found.json["gps_error_m"] < 1
    assert found.json["photos"] == 6
    # Names may be relative to another folder, as those of a transforms.json are: the record tells which.
    record = read_record(scene.with_suffix(".json"))
    views = tuple(replace(view, name=f"images/{view.name}") for view in record.views)
    write_record(
        scene.with_suffix(".json"), replace(record, views=views, photos="project/images", photo_root="project")
    )
    assert ilrm("measure", scene, "--gps", "--json").json["photos"] == 6
    assert ilrm("measure", scene, "--gps", "--photos", photos, "--json").json["photos"] == 6
    assert "none of the scene's photos" in ilrm("measure", scene, "--gps", "--photos", scene.parent.parent).sentence
    assert "typo is no folder" in ilrm("measure", scene, "--gps", "--photos", project / "typo").sentence
    write_record(scene.with_suffix(".json"), record)
    rng = np.random.default_rng(0)
    for index in range(6):
        write_at(photos / f"photo {index:02d}.jpg", *(np.array([48, 11]) + rng.normal(0, 0.01, 2)), 500)
    assert "GPS tells no size" in ilrm("measure", scene, "--gps", "--photos", project).sentence


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("photo 00.jpg",), "a distance is between two"),
        (("photo 00.jpg", "other.jpg"), "no photo of the scene is called so"),
        (("photo 00.jpg", "photo 01.jpg 200,10"), "96x96 px"),
        (("photo 00.jpg", "photo 01.jpg 1,1"), "shows no surface there"),
        (("photo 00.jpg", "photo 00.jpg", "--is", "1m"), "are the same place"),
        (("photo 00.jpg", "photo 01.jpg", "--is", "1 furlong"), "is no length"),
        (("photo 00.jpg", "photo 01.jpg", "--gps"), "leave places and --is out"),
        (("photo 00.jpg", "photo 01.jpg", "--is", "0.0000001mm"), "which cannot be"),
        (("--gps",), "are not recorded"),
    ],
)
def test_mistakes_are_one_sentence_and_change_nothing(scene, words, sentence):
    before = scene.with_suffix(".json").read_bytes()
    assert sentence in ilrm("measure", scene, *words).sentence
    assert scene.with_suffix(".json").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "metres"), [("0.35 m", 0.35), ("35cm", 0.35), ("14in", 0.3556), ("2 ft", 0.6096), ("1e3mm", 1)]
)
def test_lengths(text, metres):
    assert length_m(text, "--is") == pytest.approx(metres)


@pytest.mark.parametrize("text", ["", "m", "1", "-1m", "0m", "nanm", "1..2m", "1e99m"])
def test_no_lengths(text):
    with pytest.raises(InputError, match="--is"):
        length_m(text, "--is")


def test_reconstruct_takes_the_size_at_once(tmp_path):
    asked = ("reconstruct", SAMPLES / "posed", "-o", tmp_path / "s.ply", "--quality", "draft", "--size", "64")
    known = ilrm(*asked, "--scale-from", "001.jpg 012.jpg 3m", "--json")
    assert known.status == 0, known.err
    record = read_record(tmp_path / "s.json")
    assert known.json["metres_per_unit"] == record.metres_per_unit
    told = ilrm("measure", tmp_path / "s.ply", "001.jpg", "012.jpg", "--json").json
    assert told["metres"] == pytest.approx(3)
    wrong = ilrm(*asked, "-w", "--scale-from", "001.jpg other.jpg 3m")
    assert "does not name two of the photos" in wrong.sentence
