"""The house rules on imports: only downward, no cycles, and nothing heavy for `ilrm --help`."""

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "ilrm_cli"

# Lowest floor first. Modules import from lower floors and from their own folder only.
FLOORS = (
    {
        "colmap_library",
        "errors",
        "process_age",
        "progress",
        "appearance",
        "caches",
        "devices",
        "hashing",
        "harmonics",
        "jit",
        "rotations",
        "scratch",
        "termination",
        "similarity",
        "stopwatch",
        "up",
        "frames",
        "metrics",
        "lpips_metric",
        "threads",
        "machine_memory",
        "wording",
    },
    {"cameras", "gaussians", "views", "trials"},
    {"io"},
    {"formats", "pose", "model", "render", "synth", "viewer"},
    {"photo_place", "scene_place"},
    {"evaluation_plan"},
    {"photo_set", "photo_views", "shown_scene", "memory", "loading"},
    {"posed_files"},
    {
        "gather",
        "refine",
        "refine_start",
        "film",
        "conversion",
        "contribution",
        "confidence",
        "hub",
        "catalog",
        "fingerprint",
    },
    {"prune", "preparation", "datasets", "posing", "sharing"},
    {"train", "baselines", "protocols", "selection", "scale_search", "prediction"},
    {"trace"},
    {"trace_film", "reconstruct"},
    {"export", "verdict", "evaluate", "scoreboard", "foresight"},
    {"batch", "bench", "report", "replay"},
    {"cli"},
)
RUN = "from ilrm_cli.cli.app import main; sys.argv = {}\ntry: main()\nexcept SystemExit: pass"
RUN_ALL = """from ilrm_cli.cli.app import main
for sys.argv in {}:
    try: main()
    except SystemExit as ended: assert ended.code == 1, sys.argv
    else: assert False, sys.argv"""
POSED = PACKAGE.parent / "sample_scenes" / "posed"
MISTAKES = (
    "reconstruct {tmp}",
    "reconstruct {posed} -o {tmp}/s.foo",
    "reconstruct {posed} -o {tmp}/there.ply",
    "reconstruct {posed} -o {tmp}/s.ply --views 500",
    "reconstruct {posed} -o {tmp}/s.ply --model nonsense",
    "reconstruct {posed} -o {tmp}/s.ply --poses transforms",
    "reconstruct {posed} -o {tmp}/s.ply --camera nonsense",
    "reconstruct {posed} -o {tmp}/s.ply --report {tmp}/s.foo",
    "reconstruct {posed} -o {tmp}/s.ply --trace {tmp}/s.foo",
    "render {tmp}/absent.ply",
    "render {tmp}/there.ply --path nonsense",
    "render {tmp}/there.ply --channels nonsense",
    "render {tmp}/there.ply -o {tmp}/s.foo",
    "export {tmp}/absent.ply -o {tmp}/s.spz",
    "export {tmp}/there.ply -o {tmp}/s.foo",
    "export {tmp}/there.ply -o {tmp}/there.ply -w",
    "export {tmp}/there.ply -o {tmp}/s.spz --max-mb 5",
    "view {tmp}/absent.ply",
    "replay {tmp}/absent.ply",
    "evaluate",
    "evaluate {posed} --views nonsense",
    "evaluate {posed} --model nonsense",
    "evaluate {posed} --protocol re10k",
    "bench nonsense",
    "bench raster -o {tmp}/absent/here",
    "train {tmp}/run --preset nonsense",
    "train {tmp}/run --views nonsense",
    "train {tmp}/run --start nonsense",
    "train {tmp}/run --data {tmp}/absent",
    "pose {tmp}/absent",
    "pose {posed} -o {tmp}/absent/here",
    "batch {tmp}/absent",
    "batch {posed} -o {tmp}/s.foo",
    "batch {posed} -o {tmp}/s.ply --model nonsense",
    "batch {posed} -o {tmp}/s.ply --summary {tmp}",
    "synth {tmp}/s --aspect nonsense",
    "synth {tmp}",
    "models info nonsense",
    "models pull nonsense",
    "models verify nonsense",
)
HEAVY = (
    "torch",
    "pycolmap",
    "numba",
    "numpy",
    "gsplat",
    "scipy",
    "PIL",
    "imageio_ffmpeg",
    "plyfile",
    "huggingface_hub",
)


def floor_of(unit: str) -> int:
    return next(i for i, floor in enumerate(FLOORS) if unit in floor)


def imported_units(path: Path) -> set[str]:
    """Return the first-level names of the package that a file imports, anywhere in the file."""
    units = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "ilrm_cli":
            units |= {alias.name for alias in node.names if alias.name != "__version__"}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ilrm_cli."):
            units.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            units |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("ilrm_cli.")}
    return units


def imports(path: Path, library: str) -> bool:
    """Return whether a file imports the library or a part of it, anywhere in the file."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0]
    return any(name.split(".")[0] == library for name in names)


def test_every_unit_has_a_floor():
    units = {p.stem for p in PACKAGE.iterdir() if (p.is_dir() and list(p.glob("*.py"))) or p.suffix == ".py"} - {
        "__init__"
    }
    assert units == set().union(*FLOORS)


def test_imports_go_down():
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        unit = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if unit == "__init__":
            continue
        for other in imported_units(path) - {unit}:
            same_floor_type = floor_of(other) == floor_of(unit) < 2  # ground and types may build on each other
            if floor_of(other) > floor_of(unit) or (floor_of(other) == floor_of(unit) and not same_floor_type):
                wrong.append(f"{path.relative_to(PACKAGE)} imports {other}")
    assert not wrong


def test_the_lowest_floors_have_no_cycle():
    edges = {unit: imported_units(PACKAGE / f"{unit}.py") for unit in FLOORS[0] | FLOORS[1]}

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for nxt in edges[todo.pop()] - seen:
                seen.add(nxt)
                todo.append(nxt)
        return seen

    assert not [unit for unit in edges if unit in reachable(unit)]


def test_pycolmap_is_imported_in_one_place():
    """Importing it installs a handler of signals, which is undone there."""
    assert {path.name for path in PACKAGE.rglob("*.py") if imports(path, "pycolmap")} == {"colmap_library.py"}


def test_the_help_loads_nothing_heavy_and_no_command():
    loaded = loaded_by(RUN.format(["ilrm", "--help"]))
    assert not [name for name in (*HEAVY, "rich", "psutil") if name in loaded]
    own = {name for name in loaded if name.startswith("ilrm_cli.")}
    assert own == {"ilrm_cli.cli", "ilrm_cli.cli.app", "ilrm_cli.runtime", "ilrm_cli.runtime.progress"}


def test_what_names_of_files_tell_needs_nothing_heavy(tmp_path):
    """A mistake in a path is reported before the seconds that imports take."""
    (tmp_path / "there.ply").write_bytes(b"")
    runs = [["ilrm", *(word.format(posed=POSED, tmp=tmp_path) for word in line.split())] for line in MISTAKES]
    loaded = loaded_by(RUN_ALL.format(runs))
    assert "ilrm_cli.capture.checks" in loaded
    assert not [name for name in HEAVY if name in loaded]


def loaded_by(code: str) -> list[str]:
    """Return the modules that a fresh process has loaded after running this code."""
    command = [sys.executable, "-c", f"import sys\n{code}\nprint('loaded:', *sys.modules)"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return said.split("loaded:")[1].split()
