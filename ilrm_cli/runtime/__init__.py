"""What every stage runs on: errors, progress, files, caches, devices, memory, threads and kernels."""
