"""Results with their pictures as an evaluation keeps them, made of noise instead of objects: made in a moment."""

import hashlib

import torch

from dd3g.core import orbit
from dd3g.core.files import write_json
from dd3g.core.sheet import to_image
from dd3g.core.views import Views
from dd3g.core.views_folder import ObjectViews, save_object_views
from dd3g.distill.explicit import psnr
from dd3g.distill.signatures import SIGNATURES
from dd3g.evaluate.metrics import ssim
from dd3g.evaluate.protocol import Bootstrap
from dd3g.evaluate.results import FORMAT, table

VIEWS, SIZE = 8, 16
FIGURES = {"psnr": psnr, "ssim": ssim}


def views_of(name):
    """A soft blob of the name's own colours on a matte of its own, from eight sides."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    rgb = torch.rand(VIEWS, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    grown = torch.nn.functional.interpolate(rgb, (SIZE, SIZE), mode="bilinear")
    alpha = torch.zeros(VIEWS, 1, SIZE, SIZE)
    alpha[:, :, 2:-2, 3 : 9 + seed % 5] = 1
    return Views(grown, alpha, orbit([k * 360 / VIEWS for k in range(VIEWS)], size=SIZE))


def write_results(folder, names, strength, *, model="model", digest="a" * 64):
    """Results whose renders are the truth with so much of another object's colours; returns what results.json holds."""
    rows = []
    for name in names:
        views = views_of(name)
        save_object_views(folder / "truth", ObjectViews(name, {"main": views}))
        ours = views.rgb.lerp(1 - views.rgb, strength)
        place = folder / "renders" / name / "main"
        place.mkdir(parents=True)
        for k in range(VIEWS):
            to_image(torch.cat([ours[k], views.alpha[k]])).save(place / f"{k:03d}.png")
        white = torch.ones(3)
        truth, shown = views.over(white), Views(ours, views.alpha, views.cameras).over(white)
        baselines = {"white": _figures(torch.ones_like(truth), truth), "copy": _figures(truth[:1].expand_as(truth), truth), "mean": None}
        rows.append(
            {
                "name": name,
                "sha256": hashlib.sha256(name.encode()).hexdigest(),
                **_figures(shown, truth),
                "views": {column: metric(shown, truth).tolist() for column, metric in FIGURES.items()},
                "quarter": None,
                "baselines": baselines,
                "gaussians": 10,
                "truth": f"truth/{name}/main",
                "ours": f"renders/{name}/main",
                "signatures": dict.fromkeys(SIGNATURES, strength),
            }
        )
    columns = [column + end for column in FIGURES for end in ("", "_input")]
    results = {
        "format": FORMAT,
        "protocol": "test-v1",
        "protocol_digest": digest,
        "protocol_fields": {"views": VIEWS, "bootstrap": {"seed": 0, "resamples": 200, "level": 0.95}, "objects": list(names) * 40},
        "model": {"kind": "model", "name": model, "digest": "b" * 16},
        "partial": None,
        "why": {"lpips_alex": "its weights are not there"},
        "failures": [{"source": "bad.glb", "reason": "no faces"}],
        "dd3g": "0",
        "seconds": 1.0,
        "processor_seconds": 2.0,
        **table("main", rows, columns, Bootstrap(seed=0, resamples=200, level=0.95)),
        "settings": {},
        "aligned": None,
    }
    write_json(folder / "results.json", results)
    return results


def _figures(ours, truth):
    found = {}
    for column, metric in FIGURES.items():
        each = metric(ours, truth).tolist()
        found |= {column: sum(each[1:]) / (len(each) - 1), f"{column}_input": each[0]}
    return found
