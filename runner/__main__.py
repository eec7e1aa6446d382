"""`python -m runner` is `mailproof`."""

import sys

from runner.cli import main

sys.exit(main())
