"""`python -m voipsms`."""

import sys

from voipsms.cli import main

sys.exit(main())
