"""Endless procedural scenes: solids, textures and cameras drawn from a seed, rendered by our own ray caster."""
