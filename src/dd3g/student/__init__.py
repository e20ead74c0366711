"""The student: pattern extraction and progressive decoding."""

from dd3g.student.config import PEPDConfig
from dd3g.student.pepd import PEPD

__all__ = ["PEPD", "PEPDConfig"]
