"""Reports of a reconstruction: its input, timings and quality, for people and for programs."""
