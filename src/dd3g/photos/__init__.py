"""Any picture file -> the canonical RGBA input: decoded, cut out, centred; and what is wrong with a picture."""

from dd3g.photos.findings import Finding
from dd3g.photos.prepare import Background, check, prepare
from dd3g.photos.prepared import Prepared

__all__ = ["Background", "Finding", "Prepared", "check", "prepare"]
