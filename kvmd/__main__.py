"""``python -m kvmd``."""

from kvmd.cli.main import main

if __name__ == "__main__":
    main()
