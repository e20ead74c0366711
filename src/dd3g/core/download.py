"""Fetching third-party weights: only when the user asks, only what the checksum names, and where it was stopped it goes on."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from dd3g.core.errors import WeightsError
from dd3g.core.files import make_folder, write_atomically
from dd3g.core.progress import Progress
from dd3g.core.weights import WeightsFile, cache_folder, check_weights, recorded_sum, third_party
from dd3g.version import VERSION

_BLOCK = 1 << 18
_TIMEOUT_S = 60.0
_MEGABYTE = 1e6


def download(
    name: str, *, to: str | os.PathLike[str] | None = None, mirror: str | None = None, quiet: bool = False, timeout_s: float = _TIMEOUT_S
) -> Path:
    """Fetches third-party weights into a weights folder; what is there already, and right, is not fetched again.

    Args:
        name: As ``dd3g download --list`` has it.
        to: The folder; the user's cache if None.
        mirror: Address of a folder that is laid out as a weights folder, to be asked instead of the authors.
        quiet: No progress.
        timeout_s: Of silence, after which the server counts as gone.

    Returns:
        Where the file lies.

    Raises:
        WeightsError: Unknown name, nowhere to fetch from, the server can't be reached or stopped early (what came is kept: the same call
            goes on), or the file is not the one that the checksum names (then nothing is kept).
        OutputError: The place can't be written.
    """
    weights, folder = third_party(name), Path(to) if to is not None else cache_folder()
    for file in weights.files:
        if (folder / file.file).is_file():
            check_weights(folder / file.file, file)
            return folder / file.file
    if mirror is not None:
        choices = [(file, f"{mirror.rstrip('/')}/{file.file}") for file in weights.files]
    elif weights.official is not None and weights.official.url is not None:
        choices = [(weights.official, weights.official.url)]
    else:
        raise WeightsError(f"{name}: can't be fetched: {weights.by_hand}")
    absent = []
    for file, url in choices:
        if _fetch(url, folder / file.file, quiet, timeout_s):
            return _accept(folder / file.file, file, url)
        absent.append(url)
    raise WeightsError(f"{name}: not at {' nor at '.join(absent)} (HTTP 404); give another --mirror")


def partial(path: Path) -> Path:
    """Where a file grows until it is whole."""
    return path.with_name(path.name + ".part")


def _fetch(url: str, target: Path, quiet: bool, timeout_s: float) -> bool:
    """Brings the partial file to its full length; False where the server has no such file."""
    if not url.startswith(("http://", "https://")):
        raise WeightsError(f"{url}: not an address to fetch from, expected http:// or https://")
    make_folder(target.parent)
    growing = partial(target)
    have = growing.stat().st_size if growing.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": f"dd3g/{VERSION}", **({"Range": f"bytes={have}-"} if have else {})})
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            goes_on = have > 0 and answer.status == 206
            have = have if goes_on else 0
            length = answer.headers.get("Content-Length")
            total = None if length is None else have + int(length)
            progress = Progress(
                round((total or 0) / _MEGABYTE), f"MB of {target.name}", done=round(have / _MEGABYTE), quiet=quiet or not total
            )
            with growing.open("ab" if goes_on else "wb") as file:
                while block := answer.read(_BLOCK):
                    file.write(block)
                    before, have = round(have / _MEGABYTE), have + len(block)
                    progress.advance(round(have / _MEGABYTE) - before)
            progress.close()
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return False
        if error.code == 416 and have:  # the partial file is as long as the whole one, or longer: the checksum will tell
            return True
        raise WeightsError(f"{url}: the server answers {error.code} {error.reason}; try later, or give --mirror") from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        kept = f"; {growing.stat().st_size} bytes are kept" if growing.exists() and growing.stat().st_size else ""
        raise WeightsError(f"{url}: can't be fetched ({reason}){kept}; run the same command again, or give --mirror") from None
    if total is not None and have < total:
        raise WeightsError(f"{url}: the connection ended after {have} of {total} bytes; run the same command again, it goes on")
    return True


def _accept(target: Path, expected: WeightsFile, url: str) -> Path:
    """Gives a whole file its name, or refuses it and leaves nothing."""
    growing = partial(target)
    try:
        found = check_weights(growing, expected)
    except WeightsError:
        growing.unlink()
        raise WeightsError(
            f"{url}: is not the file that was asked for (its SHA-256 does not begin with {expected.sha256[:12]}); nothing was kept"
        ) from None
    if len(expected.sha256) < len(found):  # the publisher states a part: from now on it has to stay this very file
        with write_atomically(recorded_sum(target)) as temporary:
            temporary.write_text(found + "\n", encoding="ascii")
    growing.replace(target)
    return target
