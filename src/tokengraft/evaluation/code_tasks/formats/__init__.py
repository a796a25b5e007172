"""The kinds of code benchmarks: one a file, each after the program of those who made the benchmark."""
