"""Colours photos over HTTP, in forty lines:

    pip install starlette uvicorn && python examples/service.py
    curl --data-binary @old.jpg localhost:8000 -o coloured.jpg

Memory is bounded: by the size of an upload, of a photo, and by how many of both there may be at once. No photo is kept.
"""
import os, tempfile
from pathlib import Path

import torch, uvicorn
from anyio import CapacityLimiter, to_thread
from letthere_color.inference import Colorizer
from letthere_color.core import PhotoError
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

MAX_BYTES, MAX_PIXELS = 20_000_000, 30_000_000 # Of an upload, of a photo
AT_ONCE, CLIENTS = os.cpu_count(), 50 # Photos in work; further clients wait, those beyond CLIENTS are sent away with 503

torch.set_num_threads(1) # a core for each photo in work
colorizer = Colorizer.from_pretrained()
at_work = CapacityLimiter(AT_ONCE)

def colour(data):
    "From the bytes of a photo to those of a JPEG file, with date, place, caption, and a note that a model made the colours"
    with tempfile.TemporaryDirectory() as d:
        result = Path(d)/'coloured.jpg'
        colorizer.colorize_file(data, result, MAX_PIXELS)
        return result.read_bytes()

async def answer(request):
    data = bytearray()
    async for some in request.stream():
        data += some
        if len(data) > MAX_BYTES: # and hang up
            return PlainTextResponse(f'photo: has more than {MAX_BYTES/1e6:g} MB; make it smaller\n', 413, {'Connection': 'close'})
    try: result = await to_thread.run_sync(colour, data, limiter=at_work)
    except PhotoError as e: return PlainTextResponse(f'{e}\n', 422) # one line: what is wrong, and what to do
    return Response(result, media_type='image/jpeg')

app = Starlette(routes=[Route('/', answer, methods=['POST'])])

if __name__ == '__main__': uvicorn.run(app, host=os.environ.get('HOST', '127.0.0.1'), port=8000, limit_concurrency=CLIENTS)
