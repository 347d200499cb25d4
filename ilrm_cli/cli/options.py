"""Options that several commands share, declared once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Device = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute; auto takes CUDA where it is present.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", "-w", help="Replace the output if it exists.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only warnings and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more about what was done.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.", min=0)]
SceneOutput = Annotated[Path, typer.Option("--output", "-o", help="The .ply to write; its record goes beside it.")]
KnownCamera = Annotated[
    str | None,
    typer.Option("--camera", help='Known lens, kept as it is: "PINHOLE 1200,1200,960,540" or a cameras.txt of COLMAP.'),
]
Fps = Annotated[
    float | None,
    typer.Option(help="Frames to take from each second of a video. Default: as the camera moves.", min=0.01, max=60),
]
MaxFrames = Annotated[int, typer.Option(help="Frames to take from videos, at most.", min=2)]
