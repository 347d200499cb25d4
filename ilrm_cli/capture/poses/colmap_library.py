"""pycolmap without the SIGTERM handler it installs, which prints a stack trace instead of cleaning up."""

from ilrm_cli.runtime.signals import sigterm_kept

with sigterm_kept():
    import pycolmap as pycolmap
