"""Fetch third-party weights that this package can use but doesn't bring: official files, checked by SHA-256, resumed where they stopped.

dd3g download --list
dd3g download lpips-alex-backbone lpips-alex-heads
dd3g download lpips-vgg-backbone --mirror https://weights.example.org/dd3g --to /data/weights
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="weights, as --list names them")
    parser.add_argument("--list", action="store_true", help="what there is, from where, and whether it is here")
    parser.add_argument("--to", metavar="DIR", help="weights folder (default: DD3G_WEIGHTS if set, else the user's cache)")
    parser.add_argument("--mirror", metavar="URL", help="folder laid out as a weights folder, to be asked instead of the authors")
    parser.add_argument("--json", action="store_true", help="print the list, or where the files are, as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(options: argparse.Namespace) -> int:
    """Lists or fetches, and returns the exit status."""
    import json
    import os

    from dd3g.core.download import download
    from dd3g.core.errors import InputError
    from dd3g.core.weights import third_party

    if options.list:
        listed = _listing()
        print(json.dumps(listed, indent=2) if options.json else _as_text(listed))
        return 0
    if not options.names:
        raise InputError("names nothing to fetch; `dd3g download --list` tells what there is")
    for name in options.names:
        third_party(name)  # all are known before the first is fetched
    to = options.to or os.environ.get("DD3G_WEIGHTS")
    places = {name: str(download(name, to=to, mirror=options.mirror, quiet=options.quiet)) for name in options.names}
    print(json.dumps(places, indent=2) if options.json else "\n".join(f"{name}  {place}" for name, place in places.items()))
    return 0


def _listing() -> list[dict[str, str | bool | None]]:
    from dd3g.core.errors import WeightsError
    from dd3g.core.weights import THIRD_PARTY, find_weights

    rows: list[dict[str, str | bool | None]] = []
    for name, weights in THIRD_PARTY.items():
        official = weights.official
        try:
            place, wrong = str(find_weights(name)), None
        except WeightsError as error:
            place, wrong = None, str(error) if "SHA-256" in str(error) else None
        rows.append(
            {
                "name": name,
                "what": weights.what,
                "place": place,
                "wrong": wrong,
                "url": None if official is None else official.url,
                "sha256": (official or weights.files[0]).sha256,
                "by_hand": weights.by_hand or None,
            }
        )
    return rows


def _as_text(rows: list[dict[str, str | bool | None]]) -> str:
    lines = []
    for row in rows:
        lines.append(f"{row['name']}: {row['what']}")
        lines.append(f"    {'here: ' + str(row['place']) if row['place'] else row['wrong'] or 'not here'}")
        lines.append(f"    {row['url'] or row['by_hand']}")
        lines.append(f"    SHA-256 {row['sha256']}{'' if len(str(row['sha256'])) == 64 else '... (as much of it as its publisher states)'}")
    return "\n".join(lines)
