"""The rasteriser's kernels are compiled as all are, see `jit`."""

from ilrm_cli.jit import in_parallel, inlined, is_cached, kernel, thread_count

__all__ = ["in_parallel", "inlined", "is_cached", "kernel", "thread_count"]
