"""A protocol small enough for tests."""

from dataclasses import replace

from dd3g.evaluate.protocol import Protocol, Setting, load_protocol


def small_protocol(name: str = "orbit16-1", **changes) -> Protocol:
    """A protocol of the package with four views of 32 px and the cheap metrics."""
    protocol = load_protocol(name)
    settings = tuple(replace(s, azimuths_deg=(0.0, 90.0, 180.0, 270.0), elevations_deg=s.elevations_deg[:1] * 4) for s in protocol.settings)
    metrics = {key: protocol.metrics[key] for key in ("psnr", "ssim", "iou", "hull")}
    return replace(protocol, **{"name": "test", "size": 32, "supersampling": 1, "settings": settings, "metrics": metrics, **changes})


def setting_of(count: int = 16) -> Setting:
    """A ring of views at elevation 0, the first of them the input."""
    return Setting("ring", tuple(k * 360 / count for k in range(count)), (0.0,) * count, 0)
