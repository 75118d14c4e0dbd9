"""A run's digest is that of its values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from tests.harness import worlds
from windtunnel.spec.run import SAMPLES


def under_nulls(table: pa.Table, value: float) -> pa.Table:
    """The same table with another number in memory wherever no first token came."""
    column = table["first_token_s"].combine_chunks()
    there = column.is_valid()
    numbers = np.where(there.to_numpy(zero_copy_only=False), column.fill_null(0).to_numpy(), value)
    buffers = [there.buffers()[1], pa.py_buffer(numbers)]
    changed = pa.Array.from_buffers(pa.float64(), len(column), buffers)
    return table.set_column(4, SAMPLES.field("first_token_s"), changed)


def test_what_lies_under_nulls_does_not_count() -> None:
    run = worlds.lively()
    assert run.samples["first_token_s"].null_count > 0
    one, other = (replace(run, samples=under_nulls(run.samples, value)) for value in (0.0, 7.0))
    assert one.samples.equals(other.samples)
    assert one.digest() == other.digest() == run.digest()


def test_every_value_counts() -> None:
    run = worlds.lively()
    assert replace(run, samples=run.samples.slice(1)).digest() != run.digest()
    unseen = pa.nulls(len(run.samples), pa.float64())
    never = run.samples.set_column(4, SAMPLES.field("first_token_s"), unseen)
    zeros = run.samples.set_column(4, SAMPLES.field("first_token_s"), unseen.fill_null(0))
    assert len({replace(run, samples=table).digest() for table in (never, zeros, run.samples)}) == 3
