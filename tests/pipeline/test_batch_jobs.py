"""Tests of the folders that a batch covers and of where their scenes go."""

from pathlib import Path

import pytest

from ilrm_cli.capture.photos.listing import Listing
from ilrm_cli.pipeline.batch.jobs import check_outputs, check_summary, find_places, plan
from ilrm_cli.pipeline.batch.places import taken_as_one
from ilrm_cli.runtime.errors import InputError


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """Run from a folder with `root`, which holds three folders, a video and two other files."""
    monkeypatch.chdir(tmp_path)
    for name in ("scene 10", "scene 2", "Straße [1]", ".hidden"):
        (tmp_path / "root" / name).mkdir(parents=True)
    for name in ("walk.MP4", "README.md", "photo.jpg"):
        (tmp_path / "root" / name).touch()
    return Path("root")


def test_a_quoted_pattern_and_what_a_shell_makes_of_it_are_the_same(root):
    expanded = [str(path) for path in root.glob("[!.]*")]
    assert set(find_places(["root/*"])[0]) == set(find_places([*expanded, "root/scene 2"])[0])


def test_folders_and_videos_are_taken_in_natural_order_and_other_files_named(root):
    places, others = find_places(["root/*"])
    assert [path.name for path in places] == ["Straße [1]", "scene 2", "scene 10", "walk.MP4"]
    assert sorted(path.name for path in others) == ["README.md", "photo.jpg"]


def test_brackets_in_a_name_are_no_pattern(root):
    assert find_places(["root/Straße [1]"])[0] == [root / "Straße [1]"]


def test_scenes_are_named_after_folder_and_parent(root):
    places = [root / "scene 2", root / "walk.MP4", Path("root/.")]
    jobs = plan(places, "out/{parent}/{name}.ply")
    assert [str(job.output) for job in jobs][:2] == ["out/root/scene 2.ply", "out/root/walk.ply"]
    assert jobs[2].name == "root"


def test_folders_of_one_name_are_told_apart_by_their_parents(tmp_path):
    jobs = plan([tmp_path / "1" / "x", tmp_path / "2" / "x", tmp_path / "2" / "y"], "{parent}-{name}.ply")
    assert [job.name for job in jobs] == ["1/x", "2/x", "y"]


def test_a_name_with_braces_is_not_filled_in_again(root):
    folder = root / "{parent}"
    folder.mkdir()
    assert plan([folder], "{parent}-{name}.ply")[0].output == Path("root-{parent}.ply")


def test_a_misspelt_placeholder_is_no_file_name(tmp_path):
    with pytest.raises(InputError, match=r"\{nam\} is unknown; \{name\} and \{parent\} are filled in"):
        plan([tmp_path], "out/{nam}.ply")


def test_two_scenes_never_share_a_record(tmp_path):
    with pytest.raises(InputError, match=r"scenes with one record, out/a\.json; rename one"):
        plan([tmp_path / "a", tmp_path / "a.compressed"], "out/{name}.ply")
    assert len(plan([tmp_path / "a", tmp_path / "a.compressed"], "out/{name}.spz")) == 2


@pytest.mark.parametrize(
    ("template", "remedy"),
    [("out.ply", r"add \{name\}"), ("out/{name}.ply", r"add \{parent\}"), ("{parent}{name}.ply", "rename one")],
)
def test_two_folders_never_share_a_scene(tmp_path, template, remedy):
    same = [tmp_path / "1" / "a" / "x", tmp_path / "2" / "a" / "x"]
    with pytest.raises(InputError, match=rf"1/a/x.*2/a/x the same scene .*; {remedy}"):
        plan(same, template)


@pytest.mark.parametrize(
    ("patterns", "sentence"),
    [(["nothing*"], "nothing matches nothing"), (["root/*.md"], "only files that are no video")],
)
def test_patterns_that_give_no_folder(root, patterns, sentence):
    with pytest.raises(InputError, match=sentence):
        find_places(patterns)


def test_scenes_are_written_in_any_format_that_is_known():
    assert plan([Path("a")], "out/{name}.compressed.ply")[0].output == Path("out/a.compressed.ply")
    with pytest.raises(InputError, match=r"\.obj is unknown; scenes are kept as \.ply.* `ilrm mesh` meshes"):
        plan([Path("a")], "out/{name}.obj")


def test_scenes_go_only_where_a_folder_is_or_can_be_made(root):
    check_outputs(plan([root / "scene 2"], "new/{name}/a.ply"), overwrite=True)
    assert not Path("new").exists()
    with pytest.raises(InputError, match=r"README\.md, where scene 2\.ply would be written, is not a folder"):
        check_outputs(plan([root / "scene 2"], "root/README.md/{name}.ply"), overwrite=False)


@pytest.mark.parametrize("taken", ["out/scene 2.ply", "out/scene 2.json", "out", "out/../out/scene 2.json"])
def test_a_summary_is_no_scene_or_its_record_or_folder(root, taken):
    jobs = plan([root / "scene 2"], "out/{name}.ply")
    check_summary(Path("out/scene 2.jsonl"), jobs)
    with pytest.raises(InputError, match="is where the scene of root/scene 2 goes; choose another name"):
        check_summary(Path(taken), jobs)


def with_photos(root: Path, *names: str) -> Path:
    """Create empty photos of these names below the folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_a_folder_of_folders_of_photos_stands_for_them_and_is_told_where_it_is_taken_as_one(tmp_path):
    shoots = with_photos(tmp_path, "b 10/a.jpg", "b 2/images/a.png", "c/walk.mp4", "notes/readme.txt", ".x/a.jpg")
    assert [path.name for path in find_places([str(shoots)])[0]] == ["b 2", "b 10", "c"]
    (said,) = taken_as_one(shoots, Listing())
    assert said.startswith(f"{shoots} holds 3 folders of photos (b 10, b 2, c), which are taken as one place")
    assert said.endswith(f"ilrm batch '{shoots}/*'")


@pytest.mark.parametrize(
    "names",
    [
        ["a/1.jpg", "b/1.jpg", "own.jpg"],
        ["cam0/1.jpg", "cam1/1.jpg"],
        ["images/1.jpg", "images_2/1.jpg"],
        ["left/1.jpg", "right/1.jpg"],
        ["photos/1.jpg", "masks/1.png"],
        ["a/1.jpg", "b/1.jpg", "transforms.json"],
        ["a/1.jpg", "b/1.jpg", "sparse/0/cameras.bin", "sparse/0/images.bin"],
        ["only/1.jpg"],
    ],
)
def test_the_parts_of_one_capture_are_one_place(names, tmp_path):
    assert find_places([str(with_photos(tmp_path, *names))])[0] == [tmp_path]
    assert taken_as_one(tmp_path, Listing()) == ()
