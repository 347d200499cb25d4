"""The contract of `--json`: one envelope around all commands, and the keys that each puts into it."""

import ast
import json
from pathlib import Path

import pytest

from ilrm_cli import bench, cli
from ilrm_cli.bench.figures import Findings
from ilrm_cli.bench.timing import BenchRow
from ilrm_cli.cli.console import Result, face
from ilrm_cli.models import hub
from ilrm_cli.models.registry import PulledFrom
from ilrm_cli.runtime.json_values import envelope
from tests.cli.test_mesh import KEYS as OF_A_MESH
from tests.support.command_line import commands, ilrm
from tests.support.family import saved
from tests.support.heads import small_avatar, small_head

SAMPLE = Path(__file__).parents[2] / "sample_scenes" / "posed"
QUICK = "--views 3 --size 64 --device cpu"

OF_A_SCENE = (
    "refined_from gaussians floating views auto_scale model device renderer held_out refine optimize "
    "poses_refined round_trip field verdict timings_s layers metres_per_unit mesh confidence pruned trace warnings"
)

# The command line of each command, and its own keys, in order.
COMMANDS = {
    "reconstruct": (
        f"{{posed}} -o {{out}}.ply {QUICK} --quality draft --no-auto-scale",
        f"output {OF_A_SCENE}",
    ),
    "refine": ("{scene} -o {out}.ply", f"output {OF_A_SCENE}"),
    "batch": (f"{{posed}} -o {{out}}.ply {QUICK} --quality draft --no-auto-scale", "counts seconds folders warnings"),
    "pose": ("{posed} -o {out}", "output pose_card left_out warnings seconds"),
    "render": (
        "{scene} -o {out}.png --size 32x32 --seconds 0.1",
        "output frames path loops fps width height channels depth_range renderer gaussians timings_s warnings",
    ),
    "animate": (
        "{head}/head.json {head}/expressions.json -o {out}.png --model {avatar} --size 32",
        "output frames fps width height photos camera gaussians kept model sha256 device renderer timings_s",
    ),
    "export": (
        "{scene} -o {out}.spz",
        "output gaussians input_bytes output_bytes psnr_db views seconds field warnings",
    ),
    "mesh": ("{scene} -o {out}.glb --resolution 16", " ".join(OF_A_MESH - {"command", "status"})),
    "measure": ("{scene} 001.jpg 012.jpg", "units metres metres_per_unit gps_error_m photos pictures_px"),
    "replay": ("{scene}", "identical sha256 recorded_sha256 causes distance photos output warnings"),
    "evaluate": (
        f"{{posed}} {QUICK} --no-baselines",
        "protocol model device renderer refine qualities minutes targets_choose_when_to_stop lpips warnings summary "
        "scenes failed",
    ),
    "bench": ("fine", "rows fine peak_memory_gb"),
    "synth": ("{out} -n 1 --views 2 --size 32 --samples 1", "scenes"),
    "models list": ("", "models"),
    "models info": (
        "default",
        "name place path size_bytes sha256 repository revision licence psnr protocol basis card parameters config",
    ),
    "models pull": (
        "re10k-2view",
        "name path downloaded repository file revision sha256 size_bytes licence",
    ),
    "models verify": ("default", "files"),
}
MISTAKES = {
    "reconstruct": "{out} -o {out}.ply",
    "batch": "{out}",
    "refine": "{out}.ply -o {out}.spz",
    "pose": "{out} -o {out}",
    "render": "{out}.ply",
    "animate": "{out}.json {out}.json -o {out}.mp4 --model {out}",
    "export": "{out}.ply -o {out}.spz",
    "mesh": "{out}.ply -o {out}.glb",
    "measure": "{out}.ply",
    "replay": "{out}.ply",
    "evaluate": "",
    "bench": "nonsense",
    "synth": "{posed}",
    "models info": "nonsense",
    "models pull": "nonsense",
    "models verify": "nonsense",
}


@pytest.fixture
def one_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    row = BenchRow("good", 0.1, "unit", 0.5, limit=1.0)
    monkeypatch.setattr(bench, "SUITES", {"fine": lambda **_: Findings((row,), {"figure": 7})})


@pytest.fixture
def pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    origin = PulledFrom("authors/weights", "weights.pt", "c" * 40, "f" * 64, 7, None)
    monkeypatch.setattr(hub, "pull", lambda *_, **__: hub.Pulled(Path("weights.pt"), origin, downloaded=True))


def test_every_command_with_json_is_looked_at() -> None:
    printing = {name for name, one in commands().items() if any("--json" in option.opts for option in one.params)}
    assert set(COMMANDS) == printing
    assert set(MISTAKES) == set(COMMANDS) - {"models list"}, "which cannot be given anything wrong"


def words_of(command: str, line: str, tmp_path: Path, scene: Path | None = None) -> list[str]:
    places = {"posed": SAMPLE, "out": tmp_path / "out", "scene": scene}
    if "{head}" in line:
        places |= {"head": small_head(tmp_path / "heads"), "avatar": saved(small_avatar(), tmp_path)}
    return [*command.split(), *line.format(**places).split(), "--json"]


@pytest.mark.usefixtures("one_suite", "pulled", "tiny_efforts")
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_puts_its_keys_into_the_envelope(command: str, made: tuple[Path, dict], tmp_path: Path) -> None:
    line, keys = COMMANDS[command]
    ended = ilrm(*words_of(command, line, tmp_path, made[0]))
    assert ended.status == 0, ended.err
    first, second, *own = ended.json
    assert (first, second) == ("command", "status")
    assert (ended.json["command"], ended.json["status"]) == (command, "ok")
    assert sorted(own) == sorted(keys.split())


@pytest.mark.parametrize("command", MISTAKES)
def test_every_failure_is_one_sentence_in_the_envelope(command: str, tmp_path: Path) -> None:
    ended = ilrm(*words_of(command, MISTAKES[command], tmp_path))
    assert ended.status == 1
    assert ended.json == {"command": command, "status": "failed", "error": ended.sentence.removeprefix("error: ")}


def test_the_envelope_is_made_in_one_place() -> None:
    assert list(envelope("render", {"fps": 24.0}, "failed")) == ["command", "status", "fps"]
    for file in Path(cli.__file__).parent.glob("*.py"):
        keys = [
            key for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Dict) for key in node.keys
        ]
        assert "status" not in [key.value for key in keys if isinstance(key, ast.Constant)], file


def test_a_result_is_said_to_people_or_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    result = Result({"fps": 24.0}, ["24 frames."], ["it flickers."])
    with face("render") as shown:
        shown.end(result)
    assert capsys.readouterr() == ("24 frames.\n", "warning: it flickers.\n")
    with face("render", as_json=True) as shown:
        shown.end(result)
    assert json.loads(capsys.readouterr().out) == {"command": "render", "status": "ok", "fps": 24.0}
