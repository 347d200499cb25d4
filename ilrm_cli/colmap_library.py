"""pycolmap without the handler that it brings for SIGTERM, which prints a stack trace instead of cleaning up."""

from ilrm_cli.termination import sigterm_kept

with sigterm_kept():
    import pycolmap as pycolmap
