"Many machines: Ray Data colours a folder as one process does (nbs/07b_folders.ipynb)."
import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers import PATIENCE
from letthere_color.core import sample_photos
from letthere_color.folders import colorize_files, FileColorizer, plan_results
from letthere_color.inference import Colorizer

pytestmark = pytest.mark.skipif(not find_spec('ray'), reason='pip install "letthere_color[ray]"')

@pytest.fixture
def ray():
    "Two workers"
    import ray, ray.data
    for left in reversed(range(PATIENCE//30)):  # on a busy machine it gives up after 30 seconds
        try: ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False); break
        except Exception as e:
            if 'timed out during startup' not in str(e) or not left: raise
            ray.shutdown()
    yield ray
    ray.shutdown()

def test_as_one_process(tmp_path, ray):
    album = tmp_path/'album'
    for i, (name, p) in enumerate(list(sample_photos().items())*8):
        place = album/f'{i % 3}'; place.mkdir(parents=True, exist_ok=True)
        p.resize((120 + 8*i, 96)).convert('L').save(place/f'{name}{i}.jpg')
    (album/'0/broken.jpg').write_bytes(b'not a photo')
    alone, plan = (plan_results([album], tmp_path/o, recursive=True) for o in ('alone', 'ray'))
    list(colorize_files(Colorizer.from_pretrained('tiny'), alone))
    table = ray.data.from_items([dict(photo=str(p), result=str(r)) for p, r in plan], override_num_blocks=24)
    rows = table.map_batches(FileColorizer, fn_constructor_kwargs=dict(name_or_path='tiny'), batch_size=2, concurrency=2).take_all()
    assert len(rows) == len(plan) and os.getpid() not in {r['process'] for r in rows}
    assert [Path(r['photo']).name for r in rows if r['error']] == ['broken.jpg'], [r['error'] for r in rows if r['error']]
    assert {r['photo'] for r in rows} == {str(p) for p, _ in plan}
    for (_, one), (_, other) in zip(alone, plan):
        assert one.exists() == other.exists()
        if one.exists(): assert one.read_bytes() == other.read_bytes(), other
