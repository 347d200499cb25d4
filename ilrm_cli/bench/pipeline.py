"""The suite `pipeline`: the main job as users run it, in processes of its own, and the model's share of it."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ilrm_cli.bench.figures import Findings
from ilrm_cli.bench.timing import BenchRow
from ilrm_cli.capture.photos.folder import open_folder
from ilrm_cli.pipeline.reconstruct import reconstruct
from ilrm_cli.pipeline.settings import Settings
from ilrm_cli.runtime.errors import InputError
from ilrm_cli.runtime.files import scratch_folder
from ilrm_cli.runtime.memory import peak_of_children_gb
from ilrm_cli.runtime.progress import Report, Step, ignore

SCENE = Path(__file__).parents[2] / "sample_scenes" / "posed"  # in the repository; an installed package has none
AROUND_LIMIT = 0.5  # share of the whole for what is neither inference nor imports
HELP_LIMIT = 10.0  # for `ilrm --help`, in starts of a bare interpreter (about 0.03 s each)
MOST_RUNS = 3  # of the main job, whatever `rounds` says: one takes ten seconds
BEFORE = ("start", "poses", "load", "compile", "scale")  # stages before inference, apart from imports
WHOLE, BARE = "the main job from the start of its process to the end", "a bare start of Python"
DRAFT = ("--quality", "draft")  # a fit to all photos would hide what surrounds the model
ILRM = (sys.executable, "-P", "-c", "from ilrm_cli.cli.app import run; run()")


def pipeline_suite(*, rounds: int, report: Report = ignore) -> Findings:
    """Time cold and warm runs of the main job on the sample scene, split into parts, and the start of `ilrm --help`.

    A cold run is a new process with warm file and kernel caches; the first run, which may fill these, is listed
    separately. Without the repository's sample scene only `--help` is timed.
    """
    rows = [help_row(rounds)]
    if SCENE.is_dir():
        runs = min(rounds, MOST_RUNS)
        timings = []
        for done in range(runs + 1):
            report(Step("main job", done, runs + 1))
            timings.append(cold_run())
        report(Step("main job", runs + 1, runs + 1))
        rows += split_rows(timings[0], timings[1:], peak_of_children_gb())
        rows.append(warm_row(runs, statistics.median(run["total"] for run in timings[1:])))
    return Findings(tuple(rows))


def cold_run() -> Mapping[str, float]:
    """Return the seconds of each stage of `ilrm reconstruct` in a new process; raise InputError if it fails."""
    with scratch_folder() as folder:
        output = str(folder / "scene.ply")
        said = _output_of([*ILRM, "reconstruct", str(SCENE), "-o", output, *DRAFT, "--json"])
    return dict(json.loads(said)["timings_s"])


def split_rows(
    first: Mapping[str, float], runs: Sequence[Mapping[str, float]], peak_gb: float | None
) -> list[BenchRow]:
    """Return rows for the parts of cold runs, as shares of the whole."""
    parts = {
        "imports": ("imports",),
        "before inference, without imports": BEFORE,
        "inference": ("inference",),
    }

    def row(name: str, of: Mapping[str, float], all_runs: Sequence[Mapping[str, float]]) -> BenchRow:
        shares = [seconds[name] / seconds["total"] for seconds in all_runs]
        limit = AROUND_LIMIT if name == "neither inference nor imports" else None
        peak = peak_gb if name == "all of it" else None
        median_s = statistics.median(seconds[name] for seconds in all_runs)
        return BenchRow(f"main job: {name}", median_s, WHOLE, statistics.median(shares), limit, of[name], peak)

    def split(run: Mapping[str, float]) -> dict[str, float]:
        seconds = {name: sum(run[stage] for stage in stages) for name, stages in parts.items()}
        around = run["total"] - run["inference"] - run["imports"]
        return seconds | {"neither inference nor imports": around, "all of it": run["total"], "total": run["total"]}

    names = (*parts, "neither inference nor imports", "all of it")
    cold, warm_caches = split(first), [split(run) for run in runs]
    return [row(name, cold, warm_caches) for name in names]


def warm_row(runs: int, cold_s: float) -> BenchRow:
    """Time the same scene again in this process, where everything is imported and loaded."""
    times = [_seconds_of_one() for _ in range(runs + 1)]
    warm_s = statistics.median(times[1:])
    return BenchRow("main job: once more in one process, not written", warm_s, WHOLE, warm_s / cold_s, None, times[0])


def _seconds_of_one() -> float:
    start = time.perf_counter()
    reconstruct(open_folder(SCENE), Settings(quality="draft"))
    return time.perf_counter() - start


def help_row(rounds: int) -> BenchRow:
    """Time `ilrm --help`, alternating with an interpreter that does nothing."""
    bare, helped = [sys.executable, "-P", "-c", "pass"], [*ILRM, "--help"]
    first = _process_s(helped)
    pairs = [(_process_s(bare), _process_s(helped)) for _ in range(rounds)]
    ratio = statistics.median(long / short for short, long in pairs)
    return BenchRow("ilrm --help", statistics.median(long for _, long in pairs), BARE, ratio, HELP_LIMIT, first)


def _process_s(command: Sequence[str]) -> float:
    start = time.perf_counter()
    _output_of(command)
    return time.perf_counter() - start


def _output_of(command: Sequence[str]) -> str:
    """Return the standard output of a process; raise `InputError` with its last line of stderr if it fails."""
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        complaint = (ended.stderr.strip() or f"exit status {ended.returncode}").splitlines()[-1]
        words = " ".join(command[len(ILRM) :])
        raise InputError(f"ilrm {words} failed, which is to be timed; mend that first: {complaint}")
    return ended.stdout
