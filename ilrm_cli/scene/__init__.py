"""Scene files of every format, and the record beside them."""
