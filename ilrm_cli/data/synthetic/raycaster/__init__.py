"""The ray caster of procedural scenes, for the CPU and for CUDA."""
