"""Sets of photos from the network, by stand-ins on this machine (nbs/01b_batches.ipynb)."""
import tarfile, threading
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest
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
