"""What tests of the factory need beside the package: the extra `train`, which `dev` (and so `make test`) always brings.

Modules are looked for and not imported: diffusers takes seconds.
"""

from importlib.util import find_spec

import pytest

TRAIN = ("diffusers", "pyarrow", "embreex", "trimesh")
MISSING = [name for name in TRAIN if find_spec(name) is None]
needs_train = pytest.mark.skipif(bool(MISSING), reason=f"the extra 'train' is not installed ({', '.join(MISSING)} missing)")
