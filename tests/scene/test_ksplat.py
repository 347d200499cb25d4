import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrm_cli.geometry.harmonics import SH_C0
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.scene.checks import suffix_of
from ilrm_cli.scene.files import decode_scene
from tests.support.splats import apart, splats

BLOCK, STEPS = 5.0, 32767


def header(level: int, counts: list[int], bounds: tuple[float, float] = (0.0, 0.0)) -> bytes:
    """Return a file's header; one more section than used has room."""
    start = struct.pack("<BBHIIIIH", 0, 1, 0, len(counts) + 1, len(counts), sum(counts), sum(counts), level)
    return start.ljust(36, b"\0") + struct.pack("<ff", *bounds) + bytes(4096 - 44)


def section(count: int, room: int, degree: int, full: int, partial: int, size: int) -> bytes:
    head = struct.pack(
        "<IIIIfHHIIIIH", count, room, size, full + partial, BLOCK, 12, 0, STEPS, 0, full, partial, degree
    )
    return head.ljust(1024, b"\0")


def split(level: int, degree: int) -> bytes:
    """Return the Gaussians of `splats(7, degree)` in two sections, of buckets of 2, 2 and 1, and of 2."""
    scene = splats(7, degree)
    means, colors = scene.means.numpy().astype(float), 0.5 + SH_C0 * scene.harmonics[:, 0].numpy()
    higher = [scene.harmonics[:, band**2 : (band + 1) ** 2].numpy().transpose(0, 2, 1) for band in range(1, degree + 1)]
    higher = np.concatenate([np.zeros((7, 0)), *(part.reshape(7, -1) for part in higher)], axis=1)
    number = "<f4" if level == 0 else "<f2"
    heads, bodies = [], []
    for first, last, full, partial in ((0, 5, 2, 1), (5, 7, 1, 0)):
        sizes = [2] * full + [1] * partial
        ends = first + np.cumsum(sizes)
        centers = np.array([means[end - size : end].mean(0) for end, size in zip(ends, sizes, strict=True)])
        body = struct.pack("<I", 1) * partial + centers.astype("<f4").tobytes()
        bucket = np.repeat(centers.astype("<f4"), sizes, axis=0)
        for i in range(first, last):
            steps = np.rint((means[i] - bucket[i - first]) / (BLOCK / 2 / STEPS)) + STEPS
            body += (means[i].astype("<f4") if level == 0 else steps.astype("<u2")).tobytes()
            body += scene.scales[i].numpy().astype(number).tobytes()
            body += scene.quaternions[i].numpy().astype(number).tobytes()
            body += np.rint(255 * np.clip([*colors[i], float(scene.opacities[i])], 0, 1)).astype("u1").tobytes()
            coded = np.rint((higher[i] + 2) / 4 * 255).astype("u1") if level == 2 else higher[i].astype(number)
            body += coded.tobytes()
        heads.append(section(last - first, last - first, degree, full, partial, 2))
        bodies.append(body)
    return header(level, [5, 2], (-2.0, 2.0)) + b"".join(heads) + bytes(1024) + b"".join(bodies)


@pytest.mark.parametrize("degree", [0, 1, 2])
@pytest.mark.parametrize(("level", "means", "rest"), [(0, 1e-6, 1e-6), (1, 1e-4, 1e-3), (2, 1e-4, 1e-2)])
def test_all_levels_of_compression(tmp_path: Path, level: int, degree: int, means: float, rest: float) -> None:
    file = tmp_path / "a.KSPLAT"
    file.write_bytes(split(level, degree))
    read = decode_scene(file).gaussians
    assert read.sh_degree == degree
    found, colors = apart(splats(7, degree), read), splats(7, degree).harmonics[:, 0]
    assert found["means"] <= means
    assert max(found["shapes"], found["log_scales"], found["harmonics"]) <= max(rest, 1e-3)
    assert found["opacities"] <= 0.5 / 255 + 1e-6
    clamped = (0.5 + SH_C0 * colors).clamp(0, 1)
    torch.testing.assert_close(0.5 + SH_C0 * read.harmonics[:, 0], clamped, atol=0.5 / 255 + 1e-5, rtol=0)


def test_nothing_is_written_as_ksplat() -> None:
    with pytest.raises(InputError, match=r"\.ksplat is unknown"):
        suffix_of(Path("a.ksplat"))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    file, whole = tmp_path / "a.ksplat", split(1, 1)
    spoilt = [whole[:100], whole[:5000], whole[:-1], b"\7" + whole[1:], header(3, [1]), header(1, [10**9])]
    spoilt += [whole[: 4096 + 32] + struct.pack("<I", 9) + whole[4096 + 36 :], header(0, [0]) + bytes(2048)]
    for data in spoilt:
        file.write_bytes(data)
        with pytest.raises(InputError, match="cut short or damaged"):
            decode_scene(file)
