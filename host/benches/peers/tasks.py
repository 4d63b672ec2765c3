"""What the Python workers run. Each task is there as a function, for pools of processes that run one call at a time,
and as a coroutine for aiomultiprocess. aiohttp is imported by the first call that needs it, so that idle workers do
not hold it in memory.
"""

import asyncio
import os
from array import array

MASK = (1 << 64) - 1
TABLE_LENGTH = 1_000_000

table = None
session = None


def add(left, right):
    return left + right


async def add_async(left, right):
    return left + right


def echo(data):
    return data


async def echo_async(data):
    return data


def busy(rounds):
    """A generator of random numbers whose every round needs the last one's result."""
    state = rounds
    for _ in range(rounds):
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
    return state


async def busy_async(rounds):
    return busy(rounds)


async def wait(seconds):
    await asyncio.sleep(seconds)


async def get(url):
    """Returns the status of a GET, by the one session that each worker keeps."""
    global session
    if session is None:
        import aiohttp

        session = aiohttp.ClientSession()
    async with session.get(url) as answer:
        await answer.read()
        return answer.status


def build_table():
    """Fills this process's table, as an initializer does."""
    global table
    numbers = array("Q", bytes(8 * TABLE_LENGTH))
    for index in range(TABLE_LENGTH):
        mixed = (index ^ (index >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        numbers[index] = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & MASK
    table = numbers


def look_up(index):
    return table[index]


async def look_up_async(index):
    return table[index]


def process_id(_):
    return os.getpid()


async def process_id_async(_):
    return os.getpid()
