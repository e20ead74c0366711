"""A stroke alphabet of our own: every sign as lines on a grid of 4 x 6, x right, y down."""

from __future__ import annotations

from dd3g.objects.draws import Draws
from dd3g.objects.made.canvas import Canvas
from dd3g.objects.made.palette import Colour

# one string a stroke, two digits (x, y) a point
STROKES: dict[str, tuple[str, ...]] = {
    "A": ("062046", "1434"),
    "B": ("00063645443303", "0030413203"),
    "C": ("4130100105163645",),
    "D": ("0006264442200000",),
    "E": ("40000646", "0333"),
    "F": ("400006", "0333"),
    "G": ("413010010516364543", "4323"),
    "H": ("0006", "4046", "0343"),
    "I": ("2026", "1030", "1636"),
    "J": ("4045361605",),
    "K": ("0006", "400346"),
    "L": ("000646",),
    "M": ("0600234046",),
    "N": ("06004640",),
    "O": ("103041453616050110",),
    "P": ("06003041423303",),
    "Q": ("103041453616050110", "2446"),
    "R": ("06003041423303", "2346"),
    "S": ("4130100102134445361605",),
    "T": ("0040", "2026"),
    "U": ("000516364540",),
    "V": ("002640",),
    "W": ("0016233640",),
    "X": ("0046", "4006"),
    "Y": ("002340", "2326"),
    "Z": ("00400646",),
    "0": ("103041453616050110", "1531"),
    "1": ("112026", "1636"),
    "2": ("011030410646",),
    "3": ("0040234445361605",),
    "4": ("36300444",),
    "5": ("40000232434536 1605".replace(" ", ""),),
    "6": ("3010010516364544330304",),
    "7": ("004016",),
    "8": ("13020110304142331304051636454433",),
    "9": ("43130201103041453616",),
}
_VOWELS, _CONSONANTS = "AEIOU", "BCDFGHKLMNPRSTVWZ"


def strokes(sign: str) -> list[list[tuple[float, float]]]:
    """The strokes of a letter or digit; x in [0, 4], y in [0, 6] downwards."""
    return [[(float(text[i]), float(text[i + 1])) for i in range(0, len(text), 2)] for text in STROKES[sign]]


def draw_word(draws: Draws, length: int) -> str:
    """A word that nobody has registered, probably: consonants and vowels in turn."""
    first = draws.integer(0, 1)
    return "".join(draws.pick(_VOWELS if (i + first) % 2 else _CONSONANTS) for i in range(length))


def write(
    canvas: Canvas, text: str, x: float, y: float, height: float, colour: Colour, weight: float = 0.16, width: float | None = None
) -> None:
    """Writes a text in capitals.

    Args:
        canvas: Where.
        text: Letters, digits and spaces.
        x: Left end.
        y: Upper edge.
        height: Of the letters.
        colour: Of the strokes.
        weight: Thickness of a stroke over the letters' height.
        width: The whole text is squeezed or spread to this width; else letters are four sixths as wide as high.
    """
    inner = height * (1 - weight)
    step = (width / len(text)) if width is not None else height * 0.85
    letter = step * 0.74
    for i, sign in enumerate(text):
        for stroke in strokes(sign) if sign != " " else ():
            points = [
                (x + i * step + weight * height / 2 + px / 4 * (letter - weight * height / 2), y + weight * height / 2 + py / 6 * inner)
                for px, py in stroke
            ]
            canvas.line(points, weight * height, colour)
