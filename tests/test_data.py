"""Photos that are decoded and kept (nbs/01_photos.ipynb); sets from the network, by stand-ins on this machine (nbs/01b_batches.ipynb)."""
import subprocess, sys, tarfile, threading
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler

import numpy as np, pytest, torch
from PIL import ImageFile
from helpers import PATIENCE
from letthere_color import batches as data, photos
from letthere_color.core import sample_photos

@pytest.fixture
def address(tmp_path):
    "A folder that can be downloaded from, and its address"
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *a): pass
    (tmp_path/'served').mkdir()
    server = HTTPServer(('127.0.0.1', 0), partial(Quiet, directory=tmp_path/'served'))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown(); server.server_close()

def archive(served, name, inside, folders):
    "An archive of one photo for each folder"
    with tarfile.open(served/name, 'w:gz' if name.endswith('gz') else 'w') as tar:
        for folder in folders:
            photo = served.parent/'photo.jpg'
            sample_photos()['china'].resize((64,48)).save(photo)
            tar.add(photo, f'{inside}/{folder}/1.jpg')

def classes(folder): return sorted(cls for _, cls, _ in photos.read_photos(folder))

def test_imagenette(tmp_path, address, monkeypatch):
    "Downloaded once: the second time no server is needed"
    served = tmp_path/'served'
    archive(served, 'imagenette2-160.tgz', 'imagenette2-160', ['train/n01', 'train/n02', 'val/n01'])
    monkeypatch.setitem(data.PHOTO_SETS, 'imagenette', (f'{address}/imagenette2-160.tgz', 'train', 'val'))
    for _ in range(2):
        train, valid = data.download_photos('imagenette', tmp_path/'photos')
        assert classes(train) == ['n01', 'n02'] and classes(valid) == ['n01']
        (served/'imagenette2-160.tgz').unlink(missing_ok=True)

def test_places(tmp_path, address, monkeypatch):
    "The photos of Places365 lie below a letter, and some below two names: each kind of scene is one class"
    archive(tmp_path/'served', 'train_256_places365standard.tar', 'data_256', ['a/abbey', 'b/basement', 'c/church/indoor', 'c/church/outdoor'])
    monkeypatch.setitem(data.PHOTO_SETS, 'places365', (f'{address}/train_256_places365standard.tar', *data.PHOTO_SETS['places365'][1:]))
    for _ in range(2):
        train, valid = data.download_photos('places365', tmp_path/'photos')
        assert classes(train) == ['abbey', 'basement', 'church_indoor', 'church_outdoor'] and valid is None

def test_cannot_be_fetched(tmp_path, address, monkeypatch):
    monkeypatch.setitem(data.PHOTO_SETS, 'imagenette', (f'{address}/nothing.tgz', 'train', 'val'))
    with pytest.raises(RuntimeError, match='nothing.tgz could not be downloaded'): data.download_photos(folder=tmp_path/'photos')

@pytest.fixture
def four(tmp_path):
    "Four colour photos"
    (tmp_path/'four').mkdir()
    for i in range(4): sample_photos()['china'].rotate(90*i, expand=True).resize((64,48)).save(tmp_path/f'four/{i}.jpg')
    return tmp_path/'four'

def test_decodes_in_parallel(tmp_path, four, monkeypatch):
    "Two threads are within Pillow's decoder at the same time, or both would wait for each other in vain"
    together, decode, met = threading.Barrier(2, timeout=PATIENCE), ImageFile.ImageFile.load, set()
    def load(im):
        if id(im) not in met and im.size == (64,48): met.add(id(im)); alive.append(im); together.wait()
        return decode(im)
    alive = []  # no two photos have one id
    monkeypatch.setattr(ImageFile.ImageFile, 'load', load)
    assert len(photos.cache_photos(four, tmp_path/'cache', 32, workers=2)) == 4 and len(met) == 4

@pytest.mark.parametrize('name', ['china.jfif', 'china.JPE', 'china.jp2', 'china.gif', 'china.ppm'])
def test_all_that_is_coloured_is_learnt_from(tmp_path, name):
    (tmp_path/'palace').mkdir()
    sample_photos()['china'].resize((64,48)).save(tmp_path/'palace'/name, format={'jfif':'JPEG', 'JPE':'JPEG', 'jp2':'JPEG2000'}.get(name[6:]))
    cache = photos.cache_photos(tmp_path/'palace', tmp_path/'cache', 32)
    assert len(cache) == 1 and not cache.skipped

def test_full_disk(tmp_path, four, monkeypatch):
    "A cache that could not be written has no cache.json, without which it is none, and is made in full the next time"
    def full(*a): raise OSError(28, 'No space left on device')
    dumps = photos.json.dumps
    with monkeypatch.context() as m:
        m.setattr(photos.json, 'dumps', lambda o: full() if isinstance(o, dict) else dumps(o))  # all but cache.json
        with pytest.raises(OSError): photos.cache_photos(four, tmp_path/'cache', 32)
    with monkeypatch.context() as m:
        m.setattr(np, 'asarray', full)
        with pytest.raises((OSError, ValueError)): photos.cache_photos(four, tmp_path/'cache', 32)
    assert not [p.name for p in (tmp_path/'cache').iterdir() if p.name not in ('photos.u8',)]
    cache = photos.cache_photos(four, tmp_path/'cache', 32)
    assert len(cache) == 4 and sorted(p.name for p in (tmp_path/'cache').iterdir()) == ['cache.json', 'photos.u8']

def test_killed_before(tmp_path, four):
    "What a process that was killed has left half written is cleared away"
    (tmp_path/'cache').mkdir()
    (tmp_path/'cache/.photos-12345678.letthere-part').write_bytes(b'half')
    photos.cache_photos(four, tmp_path/'cache', 32)
    assert sorted(p.name for p in (tmp_path/'cache').iterdir()) == ['cache.json', 'photos.u8']

def test_made_anew(tmp_path, four):
    first = photos.cache_photos(four, tmp_path/'cache', 32)
    (four/'3.jpg').unlink()
    with pytest.raises(ValueError, match='other photos, or they have changed'): photos.cache_photos(four, tmp_path/'cache', 32)
    assert len(photos.cache_photos(four, tmp_path/'cache', 32, replace=True)) == 3 and len(first) == 4

def test_mean_colour():
    cache = data.toy_scenes(5, size=32)
    from letthere_color.core import rgb2lab
    want = rgb2lab(cache.photos.permute(0,3,1,2))[:,1:].mean((0,2,3))
    assert torch.allclose(torch.tensor(cache.mean_ab()), want, atol=1e-3)

def test_without_fastai():
    "Reading, caching and measuring photos must not ask for what only training needs"
    code = 'import sys; sys.modules["fastai"] = None; import letthere_color.photos, letthere_color.metrics'
    subprocess.run([sys.executable, '-c', code], check=True)
