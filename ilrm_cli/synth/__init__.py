"""Endless procedural scenes: solids, textures and cameras drawn from a seed, rendered by our own ray caster."""

from ilrm_cli.caches import keep_numba_kernels

keep_numba_kernels()
