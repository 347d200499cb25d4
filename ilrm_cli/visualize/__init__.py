"""Films, pages and reports: what people look at."""
