"""`python -m tokengraft` is the same program as `tokengraft`."""

from tokengraft.cli import main

if __name__ == "__main__":
    main()
