"""What approximations of attention cost in quality: held-out PSNR of the default model on real scenes.

    python -m ilrm_cli.bench.quality SCENE... --output quality.json [--views 12]

Views are brought into an order in which neighbours see alike, so that groups of them make sense.
"""

import argparse
import copy
import json
import statistics
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from ilrm_cli.bench.approximations import Change, grouped, grouped_share, in_fp8
from ilrm_cli.io.atomic import atomic_write
from ilrm_cli.model.checkpoint import LoadedModel
from ilrm_cli.prediction import cleaned, score_of
from ilrm_cli.preparation import Prepared, prepare_photos
from ilrm_cli.reconstruct import Settings, load, posed_photos
from ilrm_cli.selection import select_photos
from ilrm_cli.views import Views

SUMMARISED = 16  # tokens for each summary
APPROXIMATIONS: Mapping[str, Change] = {
    "exact": lambda model, views: None,
    "fp8": in_fp8,
    "groups of 4": grouped(4),
    "groups of 4, across": grouped(4, across=True),
    "groups of 4, with summaries": grouped(4, summarised=SUMMARISED),
}
FAR_VIEWS, FAR_GROUP, FAR_TOKENS = 1000, 16, 256  # for which savings are stated, of 256 x 256 px in the paper's model


def main() -> None:
    """Write the figures of each scene and their means as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", nargs="+", type=Path)
    parser.add_argument("--views", type=int, default=12)
    parser.add_argument("--output", type=Path, required=True)
    chosen = parser.parse_args()
    settings = Settings(views=chosen.views, auto_scale=False)
    loaded = load(settings)
    scenes = {folder.name: compared(loaded, prepared(folder, loaded, settings)) for folder in chosen.scenes}
    means = {
        name: {key: statistics.mean(found[name][key] for found in scenes.values()) for key in ("psnr", "moved")}
        for name in APPROXIMATIONS
    }
    shares = {
        name: grouped_share(FAR_VIEWS, FAR_TOKENS, FAR_GROUP, size)
        for name, size in (("groups", None), ("groups with summaries", SUMMARISED))
    }
    content = {"views": chosen.views, "scenes": scenes, "mean": means, f"share_at_{FAR_VIEWS}_views": shares}
    atomic_write(chosen.output, (json.dumps(content, indent=2) + "\n").encode())


def prepared(folder: Path, loaded: LoadedModel, settings: Settings) -> Prepared:
    """The scene as `reconstruct` gives it to the model, its views in the order of `along`."""
    config, capture = loaded.model.config, posed_photos(folder, settings)
    chosen = select_photos(capture, settings.views, config, config.long_side_px, seed=settings.seed)
    scene = prepare_photos(capture, chosen.used, chosen.scored, None, config)
    return replace(scene, inputs=scene.inputs[along(scene.inputs)])


def along(views: Views) -> list[int]:
    """From the view farthest from the middle on, always the nearest that is left, by place and direction."""
    cameras = views.cameras
    place = torch.cat([cameras.positions / cameras.positions.std(0).norm().clamp_min(1e-6), cameras.forward], dim=-1)
    apart = torch.cdist(place, place)
    order = [int((place - place.mean(0)).norm(dim=1).argmax())]
    while len(order) < len(views):
        left = [view for view in range(len(views)) if view not in order]
        order.append(min(left, key=lambda view: float(apart[order[-1], view])))
    return order


@torch.inference_mode()
def compared(loaded: LoadedModel, scene: Prepared) -> dict[str, dict[str, float]]:
    """For each approximation: PSNR on the held-out photos, and the largest move of a mean over the scene's distance."""
    assert scene.targets is not None, "a scene needs held-out photos"
    found: dict[str, dict[str, float]] = {}
    exact = None
    for name, change in APPROXIMATIONS.items():
        model = copy.deepcopy(loaded.model)
        change(model, len(scene.inputs))
        gaussians = model([scene.inputs], [scene.depth_range])[0]
        exact = gaussians if exact is None else exact
        moved = float((gaussians.means - exact.means).norm(dim=1).max()) / scene.distance
        score = score_of(cleaned(gaussians, scene, model.config).gaussians, scene.targets)
        found[name] = {"psnr": score.psnr, "moved": moved}
    return found


if __name__ == "__main__":
    main()
