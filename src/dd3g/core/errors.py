"""The errors a user may meet, all below one base class.

    DD3GError
    |- InputError        an argument or a file that the user gave
    |  |- PictureError   a picture that can't be read or holds no object
    |  |- MeshError      a mesh that can't be read or rendered
    |  |- ViewsError     a folder of views that is not one, or is incomplete
    |  `- SplatError     a splat file that is cut off or is not one
    |- CheckpointError   weights that don't fit, are damaged or are of another architecture
    |- WeightsError      third-party weights that are named but not there
    |- MissingExtraError an optional package that this command needs
    |- OutputError       a place that can't be written
    `- TrainingError     a run that can't go on (non-finite loss, changed config)

Every message is one sentence that names the place, what was found and the mend; the shell turns it into exit status 2.
"""

from __future__ import annotations


class DD3GError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(DD3GError):
    """An argument or a file of the user's is not usable."""


class PictureError(InputError):
    """A picture that can't be read, or in which no object can be found."""


class MeshError(InputError):
    """A mesh that can't be read, has no faces or has non-finite vertices."""


class ViewsError(InputError):
    """A folder of views that is not one, or is incomplete."""


class SplatError(InputError):
    """A splat file that is cut off, damaged or of another kind."""


class CheckpointError(DD3GError):
    """Weights that are damaged, or of another architecture than asked for."""


class WeightsError(DD3GError):
    """Third-party weights that are asked for by name but can't be found."""


class MissingExtraError(DD3GError):
    """An optional package that is not installed; the message holds the install line."""


class OutputError(DD3GError):
    """A place that can't be written to."""


class TrainingError(DD3GError):
    """A training run that can't go on."""


def require(module: str, extra: str) -> object:
    """Imports an optional module, or says which extra brings it.

    Args:
        module: Import name, for example ``"trimesh"``.
        extra: The extra of this package that installs it, for example ``"train"``.

    Raises:
        MissingExtraError: The module is not installed.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtraError(
            f"this needs the package '{module.split('.')[0]}', which is not installed: pip install 'dd3g[{extra}]'"
        ) from None
