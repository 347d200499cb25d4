"""pycolmap without the SIGTERM handler it installs, which prints a stack trace instead of cleaning up, and silent."""

import signal

from ilrm_cli.runtime.signals import signals_held, sigterm_kept

with signals_held(signal.SIGTERM), sigterm_kept():  # it comes to our handler, when that is back
    import pycolmap as pycolmap

FATAL = 3  # glog level
pycolmap.logging.minloglevel = FATAL  # from which COLMAP's own messages are shown
