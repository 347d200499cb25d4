"""A scene made again from its record, and whether it is the same."""
