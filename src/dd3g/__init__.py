"""One picture in, a 3D Gaussian splat out: an independent implementation of DD3G (arXiv 2504.00457)."""

from typing import TYPE_CHECKING

from dd3g.version import VERSION as __version__

if TYPE_CHECKING:
    from dd3g.pipeline import Generated, ImageTo3D

__all__ = ["Generated", "ImageTo3D", "__version__"]


def __getattr__(name: str) -> object:
    """Loads the pipeline, and torch with it, only when somebody asks for it."""
    if name in ("Generated", "ImageTo3D"):
        from dd3g import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'dd3g' has no attribute '{name}'")
