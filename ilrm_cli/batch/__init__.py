"""Many folders of photos become as many scenes: planned, worked on by several processes, and told about."""
