"""Measured losses of approximate attention on photos: a section of the document of the scaling study.

The suite `quality` measures the same on the sample scene. These scenes are not part of the repository, so their figures
are constants here.
"""

from dataclasses import dataclass

from ilrm_cli.bench.markdown import table


@dataclass(frozen=True)
class Loss:
    """The loss against exact attention, over the scenes."""

    name: str
    mean_db: float  # of PSNR on held-out photos; negative: worse
    worst_db: float  # the scene that loses most
    moved: str  # largest displacement of a Gaussian's mean, relative to the scene's distance


MEASURED_ON = "2026-11-21"
SCENES = ("fox", "fern", "room", "apple")  # photographed
VIEWS = 12
LOSSES = (
    Loss("fp8 (emulated)", +0.0015, 0.000, "0.02 to 0.05"),
    Loss("groups of 4", -0.017, -0.063, "0.17 to 1.41"),
    Loss("groups of 4, shifted in every other layer", -0.004, -0.031, "0.17 to 1.41"),
    Loss("groups of 4 with summaries", -0.006, -0.020, "0.17 to 1.41"),
)


def losses() -> str:
    """Return the section as Markdown."""
    columns = ("attention", "mean, dB", "worst scene, dB", "means moved by up to")
    rows = ([f.name, f"{f.mean_db:+g}", f"{f.worst_db:+.3f}", f.moved] for f in LOSSES)
    return f"""## What approximations lose

These figures are not of this run: they were found on {MEASURED_ON}, as `ilrm bench quality` finds them on the sample
scene, on {len(SCENES)} photographed scenes ({", ".join(SCENES)}) with {VIEWS} views of each, by the default model
of then, with heads of 32 channels and weights that were not trained for any of it. PSNR on held-out photos against
exact attention, and the largest move of a mean of a Gaussian in the scene's distance (the groups' range is over all
three kinds):

{table(columns, rows)}

FP8 is emulated: queries, keys and values of cross and self attention are rounded to 8 bits (float8_e4m3fn) and
multiplied as before. What it saves is not measured. Twelve views are few: what groups lose at hundreds is not known."""
