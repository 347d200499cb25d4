from dataclasses import replace

import pytest

from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.pipeline.export import export
from ilrm_cli.pipeline.result import summarize
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.visualize.report.content import Report, report_of
from tests.support.small_reconstruction import reconstruction

SETTINGS = Settings(refine=5, views=2)


def reported(folder, *, held_out: bool = True, fitted: bool = False) -> Report:
    """Make the report of a small scene whose photos lie in `folder`/shoot."""
    photos = folder / "shoot"
    photos.mkdir()
    result = reconstruction(photos, held_out=held_out, fitted=fitted)
    result = result if fitted else replace(result, settings=SETTINGS)
    output = folder / "scene.ply"
    written = replace(export(result, output, photos=photos), seconds=0.5)  # whatever the machine takes
    summary = summarize(result, written, output, total_s=4.0, foretold=("it will be long.",))
    return report_of(result, written.record, summary, open_folder(photos))


@pytest.fixture(scope="session")
def report(tmp_path_factory) -> Report:
    return reported(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def fitted(tmp_path_factory) -> Report:
    """Return the report of a scene that was fitted to a photo more than its inputs."""
    return reported(tmp_path_factory.mktemp("fitted"), fitted=True)


@pytest.fixture(scope="session")
def unscored(tmp_path_factory) -> Report:
    """Return the report of a scene that took all photos as inputs."""
    return reported(tmp_path_factory.mktemp("unscored"), held_out=False)
