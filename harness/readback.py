"""Looks up, after the run, every write that an answer had promised. The data verdict rests on this, not on health."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx
import pyarrow as pa

from windtunnel.spec.architecture import ReadBack
from windtunnel.spec.run import WRITES


def read_back(
    entry_url: str,
    promises: pa.Table,
    flows: Mapping[int, str],
    how: Mapping[str, ReadBack],
    timeout_s: float = 10.0,
) -> pa.Table:
    """``spec.run.WRITES`` for ``spec.load_plan.PROMISES``; ``flows`` maps a request to its flow.

    Each path is asked once. An answer of 404 is a look-up that found nothing; any other failure leaves
    ``found`` null, since it says nothing about the data.
    """
    wanted: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for request, key, path in zip(*(promises[c].to_pylist() for c in ("request", "id", "path")), strict=True):
        wanted[flows[request], path].append((request, key))

    with (
        httpx.Client(base_url=entry_url, timeout=timeout_s, limits=httpx.Limits(max_connections=8)) as client,
        ThreadPoolExecutor(8) as pool,
    ):

        def look_up(place: tuple[str, str]) -> set[str] | None:
            flow, path = place
            try:
                answer = client.get(path)
                if answer.status_code == httpx.codes.NOT_FOUND:
                    return set()
                return {str(item[how[flow].id]) for item in answer.raise_for_status().json()[how[flow].list]}
            except (httpx.HTTPError, KeyError, TypeError, ValueError):
                return None  # unknown: neither lost nor found

        stored = dict(zip(wanted, pool.map(look_up, wanted), strict=True))
    rows = [
        {"request": request, "id": key, "found": None if stored[place] is None else key in (stored[place] or ())}
        for place, keys in wanted.items()
        for request, key in keys
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: (row["request"], row["id"])), schema=WRITES)
