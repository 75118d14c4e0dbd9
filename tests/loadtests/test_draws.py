from __future__ import annotations

import numpy as np

from windtunnel.loadtests.draws import draw, draw_bytes


def test_a_draw_depends_on_its_address_alone() -> None:
    address = (7, 3, "span")
    assert draw_bytes(*address) == draw_bytes(*address)
    assert (
        len({draw_bytes(7, 3, "span"), draw_bytes(8, 3, "span"), draw_bytes(7, 4, "span"), draw_bytes(7, 3, "x")}) == 4
    )


def test_draws_are_uniform() -> None:
    drawn = np.array([draw(1, request, "remembered") for request in range(20_000)])
    assert drawn.min() >= 0
    assert drawn.max() < 1
    # Kolmogorov-Smirnov: the largest distance exceeds 1.95 / sqrt(n) once in a thousand
    assert np.abs(np.sort(drawn) - (np.arange(20_000) + 0.5) / 20_000).max() < 1.95 / np.sqrt(20_000)
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 3.3 / np.sqrt(20_000)
