"""``python -m monai_unlearnable``: the command line."""

import sys

from monai_unlearnable.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
