"""``python -m condinst``: the same as the command ``condinst``."""

import sys

from condinst.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
