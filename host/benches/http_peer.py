"""The same 10,000 GETs by aiohttp in an aiomultiprocess pool: 2 processes with 64 in flight each.

pip install aiohttp aiomultiprocess; cargo bench --bench http -- serve; then python3 http_peer.py http://127.0.0.1:PORT/
"""

import asyncio
import sys
import time

import aiohttp
from aiomultiprocess import Pool

REQUESTS = 10_000
session = None


async def get(url):
    global session
    if session is None:
        session = aiohttp.ClientSession()
    async with session.get(url) as answer:
        await answer.read()
        return answer.status


async def main(url):
    async with Pool(processes=2, childconcurrency=64) as pool:
        await pool.map(get, [url] * 2)
        start = time.perf_counter()
        statuses = await pool.map(get, [url] * REQUESTS)
        elapsed = time.perf_counter() - start
    assert statuses == [200] * REQUESTS
    print(f"{REQUESTS / elapsed:.0f} requests/s")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
