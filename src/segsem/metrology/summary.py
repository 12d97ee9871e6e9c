"""What a person wants to read of all tables: one line."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from segsem.metrology.measure import Measures
from segsem.metrology.offset import LayerOffset
from segsem.metrology.statistics import Stats


def summary_line(measures: Measures) -> str:
    """Images, CDs, EPE, topology and roughness in one line."""
    images = measures.images
    parts = [f"{len(images)} image{'' if len(images) == 1 else 's'}"]
    widths = [cd.stats.median for one in images for cd in one.features if cd.of == "feature"]
    if widths:
        parts.append(f"{len(widths)} feature CDs, median {np.median(widths):.2f} nm")
    if measures.gauges:
        found = sum(gauge.images > 0 for gauge in measures.gauges)
        parts.append(f"{found} of {len(measures.gauges)} gauges found")
    epes = [one.epe for one in images if one.epe is not None]
    if epes:
        stats = Stats.of(np.concatenate([epe.straight() for epe in epes]))
        missing = float(np.mean([epe.missing_share() for epe in epes]))
        faults = Counter(fault.fault.value for one in images for fault in one.faults)
        told = ", ".join(f"{count} {name}" for name, count in sorted(faults.items()))
        parts.append(
            f"EPE {stats.mean:+.2f} nm, 3 sigma {stats.three_sigma:.2f} nm, n {stats.n}, "
            f"{100 * missing:.1f} % of the edge missing; topology: {told or 'as designed'}"
        )
    parts += [_roughness(measures, kind) for kind in ("LER", "LWR")]
    return "; ".join(part for part in parts if part)


def _roughness(measures: Measures, kind: str) -> str:
    found = [r for one in measures.images for r in one.roughness if r.kind == kind]
    if not found:
        return ""
    biased = math.sqrt(float(np.mean([r.biased_nm**2 for r in found])))
    unbiased = math.sqrt(float(np.mean([r.unbiased_nm**2 for r in found])))
    return f"{kind} 3 sigma {3 * unbiased:.2f} nm unbiased ({3 * biased:.2f} biased)"


def offset_line(layer: LayerOffset) -> str:
    """One layer's calibration in words."""
    text = f"offset {layer.offset_nm:+.3f} nm per edge"
    if layer.offset_interval_nm is not None:
        low, high = layer.offset_interval_nm
        text += f" ({low:+.3f} to {high:+.3f})"
    if layer.slope_interval is None or layer.intercept_interval_nm is None:
        return f"{text}, n {layer.n}: one CD tells no slope"
    low, high = layer.slope_interval
    text += f"; slope {layer.slope:.4f} ({low:.4f} to {high:.4f})"
    low, high = layer.intercept_interval_nm
    text += f", intercept {layer.intercept_nm:+.2f} nm ({low:+.2f} to {high:+.2f}), n {layer.n}"
    return text + ("" if layer.tells_slope else "; the slope may be 1, it is not applied")
