"""Scenes, addressed by number."""

import numpy as np

from ilrm_cli.data.synthetic.materials.materials import Paints
from ilrm_cli.data.synthetic.materials.textures import tile_bank
from ilrm_cli.data.synthetic.objects.kit import Kit
from ilrm_cli.data.synthetic.objects.still_life import vessel
from ilrm_cli.data.synthetic.raycaster.scene import Builder, Frame, Scene, blockers
from ilrm_cli.data.synthetic.scenes.indoors import corridor, room, table_top
from ilrm_cli.data.synthetic.scenes.outdoors import facade, heap, outdoors, street
from ilrm_cli.data.synthetic.scenes.places import aerial, close_up, cluttered_shop, monument_building, statue

SCENES_PER_BANK = 8192  # scenes that share a bank of texture tiles; a bank takes a second

# probability of each kind: as people take photos, plus a share of free order for the unforeseen
SHARES = {
    room: 0.18, table_top: 0.17, outdoors: 0.13, corridor: 0.03, street: 0.04, facade: 0.08, heap: 0.07,
    statue: 0.12, monument_building: 0.06, close_up: 0.06, aerial: 0.02, cluttered_shop: 0.04,
}  # fmt: skip
KINDS = {make.__name__: make for make in SHARES}


def make_scene(seed: int, index: int, attempt: int = 0, kind: str | None = None) -> Scene:
    """Make scene number `index` of a seed, always the same; each `attempt` gives a different scene instead.

    `kind` forces one of KINDS instead of drawing it.
    """
    rng = np.random.default_rng([seed, index, attempt])
    drawn = list(KINDS)[int(rng.choice(len(SHARES), p=list(SHARES.values())))]
    name = kind or drawn
    kit = Kit(rng, Builder(), Paints(rng))
    surround, stage = KINDS[name](kit)
    if not len(kit.builder):  # an empty room, about one in thousands
        vessel(kit, Frame())
    shapes = kit.builder.finish(index // SCENES_PER_BANK)
    sun = blockers(shapes, surround.to_sun.astype(np.float64))
    above = blockers(shapes, np.array([0.0, 0.0, 1.0]))
    tiles = tile_bank(index // SCENES_PER_BANK)
    return Scene(name, shapes, kit.paints.finish(), surround, sun, above, tiles, stage)
