"""What the terminal says about an evaluation: tables of all methods, and conclusions in words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table

from ilrm_cli.cli.console import Detail
from ilrm_cli.runtime.errors import printable

if TYPE_CHECKING:
    from ilrm_cli.evaluate.results import Evaluation, SceneResult, Trial
    from ilrm_cli.evaluate.scoreboard import MethodMean, Summary

UNSEEN = (
    "Every eighth photo scores and was never looked at for a choice; of the others, those that reconstruct holds out "
    "itself chose the scale and when to stop."
)
GEOMETRY = (
    "Lengths are shares of the size of the true surface, precision and recall those of points within 1 % of it; "
    "nothing was aligned. See `ilrm help evaluation`."
)
STOPPING = "The held-out photos chose when to stop refining, for ilrm and for the baselines alike."


def lines_of(results: list["SceneResult"], summary: "Summary", run: "Evaluation") -> Iterator[str | Detail | Table]:
    """Yield the PSNR of every method on every scene, the means, and conclusions from the margins."""
    from ilrm_cli.evaluate.results import OURS

    if not results:
        return
    if summary.margins:
        yield scene_table(results, summary)
        yield mean_table(summary)
        yield from sentences(summary)
    else:
        yield whole_table(results, summary)
        yield from gain_sentences(summary)
    if any(trial.geometry for result in results for trial in result.trials):
        yield geometry_table(results)
        yield GEOMETRY
    if run.lpips_missing:
        yield f"LPIPS is not available: {run.lpips_missing}."
    for result in results:
        ours = [f"{t.gaussians:,} Gaussians" for t in result.trials if t.method == OURS and not t.refined]
        size = f"{result.width}x{result.height}", f"{len(result.targets)} targets"
        effort = f"{result.seconds:.1f} s in all", f"peak memory {result.peak_memory_gb:.1f} GB"
        yield Detail(f"{result.name}: {', '.join((*size, *ours, *effort))}")


def whole_table(results: list["SceneResult"], summary: "Summary") -> Table:
    """Return a row per scene and whole reconstruction, and their means."""
    from ilrm_cli.evaluate.results import label_of

    measured = any(mean.lpips is not None for mean in summary.means)
    table = Table(
        "scene (photos)", "method", title="Whole reconstructions, on every eighth photo", title_justify="left"
    )
    for column in ("PSNR", "evened", "SSIM", *(["LPIPS"] if measured else []), "CPU s", "Gaussians", "steps"):
        table.add_column(column, justify="right", no_wrap=True)

    def scores(of: "Trial | MethodMean") -> list[str]:
        distance = [] if not measured else [f"{of.lpips:.3f}" if of.lpips is not None else ""]
        evened = "" if of.psnr_evened is None else f"{of.psnr_evened:.2f}"
        quality = [f"{of.psnr:.2f}", evened, f"{of.ssim:.3f}", *distance]
        return [label_of(of.method, of.refined), *quality, f"{of.cpu_seconds:.0f}"]

    for result in results:
        for trial in result.trials:
            steps = "" if trial.iterations is None else str(trial.iterations)
            table.add_row(f"{printable(result.name)} ({result.photos})", *scores(trial), f"{trial.gaussians:,}", steps)
    for mean in summary.means:
        table.add_row(f"mean of {mean.scenes}", *scores(mean), style="bold")
    return table


def gain_sentences(summary: "Summary") -> Iterator[str]:
    """Yield the gains in words, and which photos chose."""
    from ilrm_cli.evaluate.scoreboard import MANY_PHOTOS

    for gain in summary.gains:
        parts = [f"{gain.method} over {gain.over}: {gain.gain_db:+.2f} dB on average"]
        if gain.gain_of_many_db is not None:
            parts.append(f"{gain.gain_of_many_db:+.2f} dB with {MANY_PHOTOS} photos or more ({gain.scenes_of_many})")
        parts.append(f"{gain.least_gain_db:+.2f} dB at least")
        yield f"{', '.join(parts)}; ahead on {gain.ahead} of {gain.scenes} scenes, in SSIM on {gain.ssim_ahead}."
    yield UNSEEN


def scene_table(results: list["SceneResult"], summary: "Summary") -> Table:
    """Return a row per scene and number of inputs with a column per method."""
    from ilrm_cli.evaluate.results import label_of

    kinds = dict.fromkeys((mean.method, mean.refined) for mean in summary.means)
    table = Table("scene", title="PSNR in dB on held-out views", title_justify="left")
    table.add_column("views", justify="right")
    for method, refined in kinds:
        table.add_column(label_of(method, refined), justify="right", min_width=5)
    for result in results:
        for views in map(len, result.inputs):
            found = [result.trial(method, views, refined) for method, refined in kinds]
            table.add_row(
                printable(result.name), str(views), *(f"{trial.psnr:.2f}" if trial else "" for trial in found)
            )
    return table


def mean_table(summary: "Summary") -> Table:
    """Return the means over the scenes."""
    from ilrm_cli.evaluate.results import OURS, label_of

    table = Table("method", title="Means over scenes", title_justify="left")
    for column in ("views", "scenes", "PSNR", "SSIM", "LPIPS", "seconds"):
        table.add_column(column, justify="right")
    for mean in summary.means:
        table.add_row(
            label_of(mean.method, mean.refined),
            mean.views,
            str(mean.scenes),
            f"{mean.psnr:.2f}",
            f"{mean.ssim:.3f}",
            "" if mean.lpips is None else f"{mean.lpips:.3f}",
            f"{mean.seconds:.2f}",
            style="bold" if mean.method == OURS else "",
        )
    return table


def geometry_table(results: list["SceneResult"]) -> Table:
    """Return the figures of the surfaces, means over the scenes."""
    from ilrm_cli.evaluate.results import label_of
    from ilrm_cli.evaluate.surface_scores import FIGURES, GeometryScore, means

    of: dict[tuple[str, int], list[GeometryScore]] = {}
    for result in results:
        for trial in result.trials:
            if trial.geometry:
                of.setdefault((label_of(trial.method, trial.refined), trial.views), []).append(trial.geometry)
    table = Table("method", title="Surfaces, means over scenes", title_justify="left")
    for column in ("views", "F-score", "prec.", "recall", "Chamfer", "AbsRel", "delta"):
        table.add_column(column, justify="right", no_wrap=True)
    for (method, views), scores in of.items():
        mean = means(scores)
        table.add_row(method, str(views), *(f"{mean[name]:.3f}" if name in mean else "" for name in FIGURES))
    return table


def sentences(summary: "Summary") -> list[str]:
    """Describe the margins in words."""
    lines = []
    for margin in summary.margins:
        parts = []
        if margin.gain_db is not None:
            parts.append(f"{margin.gain_db:+.2f} dB over the nearest photo")
        if margin.gain_refined_db is not None:
            parts.append(f"{margin.gain_refined_db:+.2f} dB refined")
        if margin.ahead_of_refined_starts is not None:
            parts.append(f"refined ahead of every refined baseline on {margin.ahead_of_refined_starts:.0%} of scenes")
        if parts:
            lines.append(f"{margin.views} views: {', '.join(parts)}.")
    if any(mean.refined for mean in summary.means):
        lines.append(STOPPING)
    return lines
