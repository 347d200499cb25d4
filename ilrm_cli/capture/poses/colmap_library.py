"""pycolmap without the SIGTERM handler it installs, which prints a stack trace instead of cleaning up, and silent."""

from ilrm_cli.runtime.signals import sigterm_kept

with sigterm_kept():
    import pycolmap as pycolmap

FATAL = 3  # glog level
pycolmap.logging.minloglevel = FATAL  # from which COLMAP's own messages are shown
