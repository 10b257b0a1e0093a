"""Parts of the server end when they are told to."""

import asyncio

from server import app


def test_a_part_that_goes_on_after_it_was_told_to_end_is_told_again(monkeypatch):
    monkeypatch.setattr(app, "CANCEL_AGAIN_S", 0.01)
    told = 0

    async def deaf() -> None:
        nonlocal told
        while told < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told += 1

    async def serve() -> None:
        async with app._task(deaf()):
            await asyncio.sleep(0)  # it has begun

    asyncio.run(asyncio.wait_for(serve(), 30))
    assert told == 3
