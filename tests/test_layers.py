"""The house rules on structure: rooms on six floors, imports only downward, and nothing heavy for early mistakes.

`pytest -s tests/test_layers.py` prints the figures of the structure.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

PACKAGE = Path(__file__).parents[1] / "ilrm_cli"

# The rooms, lowest floor first. A room imports from lower floors only, never from another room of its own floor.
LAYOUT = (
    {"geometry", "runtime"},
    {"capture", "render"},
    {"scene", "models", "data"},
    {"pipeline"},
    {"visualize", "train", "evaluate", "bench"},
    {"cli"},
)
MOST_ROOMS, MOST_FLOORS, MOST_ARROWS = 14, 6, 65
MOST_FILES, LEAST_MEDIAN, MOST_LINES = 361, 110, 300
SHORT = 3  # lines of a file that only makes a folder a package
LIGHT = ("checks", "settings", "config", "folder", "registry")  # files of these names import nothing heavy
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
    "animate {tmp}/absent.json {tmp}/absent.json -o {tmp}/s.mp4 --model nonsense",
    "animate {tmp}/there.ply {tmp}/there.ply -o {tmp}/s.foo --model nonsense",
    "animate {tmp}/there.ply {tmp}/there.ply -o {tmp}/s.mp4 --model nonsense",
    "render {tmp}/absent.ply",
    "render {tmp}/there.ply --path nonsense",
    "render {tmp}/there.ply --channels nonsense",
    "render {tmp}/there.ply -o {tmp}/s.foo",
    "export {tmp}/absent.ply -o {tmp}/s.spz",
    "export {tmp}/there.ply -o {tmp}/s.foo",
    "export {tmp}/there.ply -o {tmp}/there.ply -w",
    "export {tmp}/there.ply -o {tmp}/s.spz --max-mb 5",
    "export {tmp}/absent.ply -o {tmp}/depth",
    "mesh {tmp}/absent.ply -o {tmp}/s.glb",
    "mesh {tmp}/there.ply -o {tmp}/s.foo",
    "measure {tmp}/absent.ply a b",
    "view {tmp}/absent.ply",
    "replay {tmp}/absent.ply",
    "evaluate",
    "evaluate {posed} --views nonsense",
    "evaluate {posed} --model nonsense",
    "evaluate {posed} --protocol re10k",
    "evaluate {posed} --protocol every-eighth --quality nonsense",
    "bench nonsense",
    "bench raster -o {tmp}/there.ply/here",
    "train {tmp}/run --preset nonsense",
    "train {tmp}/run --views nonsense",
    "train {tmp}/run --start nonsense",
    "train {tmp}/run --data {tmp}/absent",
    "pose {tmp}/absent",
    "pose {posed} -o {tmp}/there.ply/here",
    "batch {tmp}/absent",
    "batch {posed} -o {tmp}/s.foo",
    "batch {posed} -o {tmp}/s.ply --model nonsense",
    "batch {posed} -o {tmp}/s.ply --summary {tmp}",
    "synth {tmp}/s --aspect nonsense",
    "synth {tmp}",
    "synth {tmp}/s --heads --kind room",
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


@cache
def modules() -> dict[str, Path]:
    """Return all modules of the package, dotted name -> file; a package goes by the name of its folder."""
    files = sorted(PACKAGE.rglob("*.py"))
    names = [".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts) for file in files]
    return dict(zip((name.removesuffix(".__init__") for name in names), files, strict=True))


def own_imports(tree: ast.AST) -> Iterator[str]:
    """Yield the modules of the package that a file imports, wherever in the file."""
    known = modules()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in known else node.module


@cache
def arrows() -> dict[str, set[str]]:
    """Return the modules that each module imports."""
    return {name: set(own_imports(ast.parse(file.read_text()))) - {name} for name, file in modules().items()}


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def floor_of(room: str) -> int:
    return next(number for number, floor in enumerate(LAYOUT, 1) if room in floor)


def room_arrows() -> set[tuple[str, str]]:
    """Return the pairs (room, room that it imports from)."""
    pairs = {(room_of(one), room_of(other)) for one, others in arrows().items() for other in others}
    return {(one, other) for one, other in pairs if one and other and one != other}


def line_counts() -> dict[str, int]:
    """Return the lines of all files that do more than make a folder a package."""
    counts = {name: len(file.read_text().splitlines()) for name, file in modules().items()}
    return {name: count for name, count in counts.items() if count > SHORT}


def test_the_package_is_its_rooms():
    folders = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert folders == set().union(*LAYOUT)
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]


def test_imports_go_down():
    wrong = [
        f"{module} imports {other}"
        for module, others in arrows().items()
        for other in others
        if room_of(module) and room_of(other) and room_of(module) != room_of(other)
        if floor_of(room_of(other)) >= floor_of(room_of(module))
    ]
    assert not wrong


def test_no_module_imports_itself_through_others():
    edges = arrows()

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for found in edges[todo.pop()] - seen:
                seen.add(found)
                todo.append(found)
        return seen

    assert not [module for module in edges if module in reachable(module)]


def test_the_structure_stays_small():
    counts, rooms = line_counts(), set().union(*LAYOUT)
    figures = {
        "rooms": len(rooms),
        "floors": len(LAYOUT),
        "arrows between rooms": len(room_arrows()),
        "files": len(counts),
        "median of lines": median(counts.values()),
        "longest file": max(counts.values()),
    }
    sys.stdout.write(f"\n{', '.join(f'{name} {figure:g}' for name, figure in figures.items())}\n")
    assert figures["rooms"] <= MOST_ROOMS
    assert figures["floors"] <= MOST_FLOORS
    assert figures["arrows between rooms"] <= MOST_ARROWS
    assert figures["files"] <= MOST_FILES
    assert figures["median of lines"] >= LEAST_MEDIAN
    assert not [name for name, count in counts.items() if count > MOST_LINES]


def test_light_modules_import_nothing_heavy():
    light = [name for name in modules() if name.rsplit(".", 1)[-1] in LIGHT]
    assert len(light) > 10
    loaded = loaded_by("\n".join(f"import {name}" for name in light))
    assert not [name for name in HEAVY if name in loaded]


def test_the_pipeline_knows_models_by_their_capabilities():
    """Only benches, which measure them one by one, and training, whose recipes make them, know what is in a family."""
    families = {file.parent.name for file in (PACKAGE / "models").glob("*/model.py")} | {"lrm"}
    wrong = [
        f"{module} imports {other}"
        for module, others in arrows().items()
        for other in others
        if room_of(module) not in ("models", "bench", "train")
        if other.split(".")[1:2] == ["models"] and other.split(".")[2:3] and other.split(".")[2] in families
    ]
    assert not wrong


def test_only_the_command_line_prints():
    wrong = [
        name
        for name, file in modules().items()
        if room_of(name) != "cli"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not wrong


def test_every_folder_says_what_it_holds():
    for folder in {file.parent for file in modules().values()}:
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text())), folder


def test_the_readme_names_every_room():
    tree = (PACKAGE.parent / "README.md").read_text(encoding="utf-8").split("## The code")[1].split("\n## ")[0]
    assert not [room for room in set().union(*LAYOUT) if f"{room}/" not in tree]


def test_tests_lie_in_the_rooms():
    tests = Path(__file__).parent
    folders = {path.parent.relative_to(tests).as_posix() for path in tests.rglob("*.py")} - {"."}
    assert folders <= {*set().union(*LAYOUT), "support"}
    assert not [folder for folder in folders if not (tests / folder / "__init__.py").is_file()]
    assert not [path.name for path in tests.rglob("*.py") if len(path.read_text().splitlines()) > MOST_LINES]


def imports(path: Path, library: str) -> bool:
    """Return whether a file imports the library or a part of it, anywhere in the file."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0]
    return any(name.split(".")[0] == library for name in names)


def test_pycolmap_is_imported_in_one_place():
    """Importing it installs a handler of signals, which is undone there."""
    assert {path.name for path in PACKAGE.rglob("*.py") if imports(path, "pycolmap")} == {"colmap_library.py"}


def test_folders_for_parts_are_made_in_one_place():
    """Which also removes what killed processes left."""
    makers = ("TemporaryDirectory", "mkdtemp", "NamedTemporaryFile", "mkstemp")
    found = {path.name for path in PACKAGE.rglob("*.py") if any(maker in path.read_text() for maker in makers)}
    assert found == {"files.py"}


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
