"""The queue in front of the decode slots is first in, first out, and loses no slot when someone leaves it."""

import asyncio

import pytest

from windtunnel.reference_service.mock_llm.slots import DecodeSlots, QueueFull


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_slots_are_handed_over_in_order_at_the_time_they_were_due():
    async def scenario() -> None:
        slots = DecodeSlots(1, None)
        now_s = await slots.enter()
        order: list[tuple[str, float]] = []

        async def wait(name: str) -> None:
            order.append((name, await slots.enter()))

        tasks = [asyncio.create_task(wait(name)) for name in ("a", "b")]
        await settle()
        assert (slots.waiting, slots.waiting_peak) == (2, 2)
        slots.leave(now_s + 10)
        await settle()
        slots.leave(now_s + 20)
        await asyncio.gather(*tasks)
        assert order == [("a", now_s + 10), ("b", now_s + 20)]

    asyncio.run(scenario())


def test_nobody_is_admitted_before_arriving():
    async def scenario() -> None:
        slots = DecodeSlots(1, None)
        now_s = await slots.enter()
        waiting = asyncio.create_task(slots.enter())
        await settle()
        slots.leave(now_s - 10)
        assert await waiting >= now_s

    asyncio.run(scenario())


@pytest.mark.parametrize("handed_over_first", [False, True])
def test_one_who_leaves_the_queue_passes_its_turn_on(handed_over_first):
    async def scenario() -> None:
        slots = DecodeSlots(1, None)
        await slots.enter()
        leaver, patient = (asyncio.create_task(slots.enter()) for _ in range(2))
        await settle()
        if handed_over_first:
            slots.leave(0.0)
            leaver.cancel()
        else:
            leaver.cancel()
            await settle()
            slots.leave(0.0)
        await asyncio.wait_for(patient, 1)
        assert leaver.cancelled()
        assert slots.waiting == 0
        slots.leave(0.0)
        await asyncio.wait_for(slots.enter(), 1)

    asyncio.run(scenario())


def test_the_queue_is_full_at_its_limit():
    async def scenario() -> None:
        slots = DecodeSlots(1, 1)
        await slots.enter()
        waiting = asyncio.create_task(slots.enter())
        await settle()
        with pytest.raises(QueueFull):
            await slots.enter()
        slots.leave(0.0)
        await waiting

    asyncio.run(scenario())
