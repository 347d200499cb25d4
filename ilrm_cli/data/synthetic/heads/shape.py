"""A morphable head: a sphere that is pushed into a head, painted, and moved by blendshapes.

Vertices are base + sum of code * shape, colours likewise, as in every linear face model (Blanz and Vetter 1999). The
face looks along +y, z is up, and the radius is about 1. Places of the face are told by azimuth and elevation, in
radians from the face's middle.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from ilrm_cli.data.synthetic.heads.config import SHAPES
from ilrm_cli.geometry.meshes import Mesh

SUBDIVISIONS = 5  # of an icosahedron: 10,242 vertices, of which neighbours are 0.035 radians apart
MOUTH, EYE, BROW = (0.0, -0.42), (0.36, 0.12), (0.36, 0.36)  # azimuth and elevation; eyes and brows on both sides
CORNER = 0.3  # azimuth of the corners of the mouth
JAW = 0.4  # way of the chin: an adult's mouth opens by up to 5 cm, and the head, of about 2 radii, is 23 cm high
INSIDE = torch.tensor([0.25, 0.05, 0.06])  # colour of the open mouth
AMBIENT = 0.55  # share of light that comes from all sides
WAVES, WAVE_NUMBERS, WAVE_SHARE = 12, (3.0, 9.0), 0.1  # of blotches on the skin: their number, per radian, and contrast


@dataclass(frozen=True)
class MorphableHead:
    """One person: a head at rest, and what each number of an expression code adds to it."""

    vertices: Float[Tensor, "vertex 3"]
    colors: Float[Tensor, "vertex 3"]  # in [0, 1], before light
    moves: Float[Tensor, "shape vertex 3"]
    tints: Float[Tensor, "shape vertex 3"]  # changes of colour
    triangles: Int[Tensor, "triangle 3"]
    to_light: Float[Tensor, "3"]  # unit

    def shown(self, code: Float[Tensor, " shape"]) -> Mesh:
        """Return the head with an expression, lit."""
        vertices = self.vertices + torch.einsum("k,kvc->vc", code, self.moves)
        colors = (self.colors + torch.einsum("k,kvc->vc", code, self.tints)).clamp(0, 1)
        mesh = Mesh.from_triangles(vertices, self.triangles)
        facing = (mesh.normals @ self.to_light).clamp_min(0)
        return replace(mesh, colors=colors * (AMBIENT + (1 - AMBIENT) * facing)[:, None])


@cache
def sphere() -> tuple[Float[Tensor, "vertex 3"], Int[Tensor, "triangle 3"]]:
    """Return a unit sphere of triangles of nearly one size, counterclockwise seen from outside."""
    golden = (1 + 5**0.5) / 2
    corners = [(-1, golden, 0), (1, golden, 0), (-1, -golden, 0), (1, -golden, 0)]
    vertices = torch.tensor([p[-k:] + p[:-k] for k in range(3) for p in corners])
    vertices = normalize(vertices.double(), dim=-1)
    apart = torch.cdist(vertices, vertices)
    near = (apart < 1.1) & (apart > 0)  # edges of the icosahedron are 1.05 long
    faces = [
        (i, j, k) for i in range(12) for j in range(i) for k in range(j) if near[i, j] and near[j, k] and near[i, k]
    ]
    triangles = torch.tensor(faces)
    for _ in range(SUBDIVISIONS):
        vertices, triangles = _subdivided(vertices, triangles)
    a, b, c = vertices[triangles].unbind(1)
    inward = (torch.linalg.cross(b - a, c - a) * a).sum(-1) < 0
    triangles[inward] = triangles[inward].flip(1)
    return vertices.float(), triangles


def _subdivided(vertices: Tensor, triangles: Tensor) -> tuple[Tensor, Tensor]:
    """Return four triangles for each one, with the middles of edges pushed out to the sphere."""
    edges = torch.cat([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).sort(dim=1).values
    unique, number = torch.unique(edges, dim=0, return_inverse=True)
    middles = normalize(vertices[unique].mean(1), dim=-1)
    ab, bc, ca = (number + len(vertices)).view(3, -1)
    a, b, c = triangles.unbind(1)
    finer = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return torch.cat([vertices, middles]), torch.cat([torch.stack(corners, 1) for corners in finer])


@dataclass(frozen=True)
class Face:
    """The sphere's vertices by azimuth and elevation, and smooth spots on it."""

    azimuth: Float[Tensor, " vertex"]  # 0 in the middle of the face, positive towards +x
    elevation: Float[Tensor, " vertex"]

    @staticmethod
    def of(sphere: Float[Tensor, "vertex 3"]) -> "Face":
        return Face(torch.atan2(sphere[:, 0], sphere[:, 1]), torch.asin(sphere[:, 2].clamp(-1, 1)))

    def spot(self, place: tuple[float, float], wide: float, high: float, edge: float = 1.0) -> Float[Tensor, " vertex"]:
        """Return 1 at a place, falling to 0 like exp(-r^(2 edge)) over these radii: the larger `edge`, the sharper."""
        across, up = (self.azimuth - place[0]) / wide, (self.elevation - place[1]) / high
        return torch.exp(-((across**2 + up**2) ** edge))

    def spots(
        self, place: tuple[float, float], wide: float, high: float, edge: float = 1.0
    ) -> Float[Tensor, " vertex"]:
        """Return the spot on both sides of the face."""
        return self.spot(place, wide, high, edge) + self.spot((-place[0], place[1]), wide, high, edge)


def morphable_head(seed: int, number: int) -> MorphableHead:
    """Return person `number` of the endless series `seed`."""
    rng = np.random.default_rng([seed, number, 11])
    points, triangles = sphere()
    face = Face.of(points)
    skin = torch.tensor(rng.uniform((0.55, 0.35, 0.28), (0.95, 0.75, 0.65)), dtype=torch.float32)
    moves, tints = _shapes(face, points, rng, skin)
    to_light = normalize(torch.tensor([rng.uniform(-0.8, 0.8), 1.0, rng.uniform(0.2, 1.0)]), dim=0).float()
    return MorphableHead(
        _at_rest(face, points, rng), _painted(face, points, rng, skin), moves, tints, triangles, to_light
    )


def _at_rest(face: Face, points: Tensor, rng: np.random.Generator) -> Float[Tensor, "vertex 3"]:
    """Return the skull with nose, eye sockets, brows, chin and ears, of this person's proportions."""
    halves = torch.tensor(rng.uniform((0.66, 0.74, 0.88), (0.78, 0.86, 0.98)), dtype=torch.float32)
    out = (
        rng.uniform(0.16, 0.3) * face.spot((0.0, -0.08), rng.uniform(0.1, 0.16), 0.2)
        - rng.uniform(0.04, 0.09) * face.spots(EYE, 0.17, 0.12)
        + rng.uniform(0.02, 0.06) * face.spots(BROW, 0.25, 0.08)
        + rng.uniform(0.0, 0.1) * face.spot((0.0, -0.75), 0.3, 0.16)
    )
    ears = rng.uniform(0.1, 0.25) * face.spots((1.6, 0.05), 0.12, 0.2)
    shape = points * halves
    shape[:, 1] += out
    shape[:, 0] += ears * points[:, 0].sign()
    return shape


def _painted(face: Face, points: Tensor, rng: np.random.Generator, skin: Tensor) -> Float[Tensor, "vertex 3"]:
    """Return skin with blotches, hair, brows, lips and eyes, painted one over the other."""
    waves = normalize(torch.from_numpy(rng.standard_normal((WAVES, 3))).float(), dim=-1)
    waves = waves * torch.from_numpy(rng.uniform(*WAVE_NUMBERS, (WAVES, 1))).float()
    blotches = torch.sin(points @ waves.T + torch.from_numpy(rng.uniform(0, 6.3, WAVES)).float()).mean(1)
    colors = skin * (1 + WAVE_SHARE * WAVES**0.5 * blotches)[:, None]

    def over(weight: Tensor, color: Tensor) -> None:
        colors.lerp_(color.expand_as(colors), weight.clamp(0, 1)[:, None])

    hair = torch.from_numpy(rng.uniform(0.05, 0.6) * rng.uniform(0.5, 1.0, 3)).float()
    line = rng.uniform(0.6, 0.8) - 0.9 * (1 - torch.cos(face.azimuth))  # lower at the sides
    over(torch.sigmoid((face.elevation - line) / 0.03), hair)
    over(face.spots(BROW, 0.2, 0.05, 2), 0.5 * hair)
    over(face.spot(MOUTH, CORNER, 0.09, 2), torch.tensor([0.75, 0.2, 0.22]))
    over(face.spots(EYE, 0.16, 0.09, 3), torch.ones(3))
    over(face.spots(EYE, 0.08, 0.08, 3), torch.from_numpy(rng.uniform(0.05, 0.5, 3)).float())
    return colors


def _shapes(face: Face, points: Tensor, rng: np.random.Generator, skin: Tensor) -> tuple[Tensor, Tensor]:
    """Return what each of SHAPES moves, and what it recolours, as strongly as it does in this person."""
    x, y, z = torch.eye(3)
    lower = torch.sigmoid((MOUTH[1] - face.elevation) / 0.03) * face.spot((0.0, -0.75), 0.95, 0.5)
    opening = face.spot((0.0, MOUTH[1] - 0.05), 0.75 * CORNER, 0.07, 2)
    corners, brows = face.spots((CORNER, MOUTH[1]), 0.2, 0.16), face.spots(BROW, 0.3, 0.14)
    cheeks, lids = face.spots((0.55, -0.3), 0.28, 0.24), face.spots(EYE, 0.18, 0.11, 3)
    lips, side = face.spot(MOUTH, 0.3, 0.14), points[:, 0].sign()

    def along(weight: Tensor, axis: Tensor) -> Float[Tensor, "vertex 3"]:
        return weight[:, None] * axis

    moves = {
        "jaw": along(lower, -JAW * z - 0.25 * JAW * y) + along(opening, -0.12 * y),
        "smile": along(corners * side, 0.12 * x) + along(corners, 0.12 * z) + along(cheeks, 0.04 * y),
        "pucker": along(corners * side, -0.14 * x) + along(lips, 0.14 * y),
        "brows": along(brows, 0.14 * z + 0.03 * y),
        "blink": along(lids, 0.05 * y),
        "cheeks": along(cheeks * side, 0.14 * x) + along(cheeks, 0.1 * y),
    }
    tints = {
        "jaw": along(opening, INSIDE - torch.tensor([0.75, 0.2, 0.22])),
        "blink": along(lids, 0.85 * skin - 0.8),
        "cheeks": along(cheeks, torch.tensor([0.06, -0.08, -0.08])),
    }
    strength = torch.from_numpy(rng.uniform(0.8, 1.2, len(SHAPES))).float()[:, None, None]
    nothing = torch.zeros_like(points)
    moved, tinted = (torch.stack([found.get(name, nothing) for name in SHAPES]) for found in (moves, tints))
    return strength * moved, tinted
