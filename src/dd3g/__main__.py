"""``python -m dd3g``, which is how torchrun starts it: ``torchrun --nproc-per-node 8 -m dd3g train ...``."""

import sys

from dd3g.cli.main import main

sys.exit(main())
