"What programs hand over: tensors, open files, lists, pickles; the service of examples/; and the small things of the command."
import copy, importlib.util, io, json, pickle, shutil, socket, subprocess, sys, threading, urllib.error, urllib.request
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import joblib, numpy as np, pytest, torch, uvicorn
from PIL import Image
from helpers import letthere, PATIENCE
from letthere_color.choice import ENGINES, fast_model, unusable
from letthere_color.core import photo2tensor, PhotoError, rgb2l, sample_photos
from letthere_color.inference import Colorizer
from letthere_color.models import load_model
from letthere_color.photo_files import read_photo

root = Path(__file__).parent.parent
coffee = sample_photos()['coffee'].resize((90,60))
x = photo2tensor(coffee)

@pytest.fixture(scope='module')
def colorizer(): return Colorizer.from_pretrained('tiny', size=64)

def as_file(im, kind='PNG'):
    f = io.BytesIO()
    im.save(f, kind)
    return f

# ---- tensors

def test_tensor_is_coloured_as_its_photo(colorizer):
    "uint8: bit for bit, and read from any strides and with a gradient"
    expected = photo2tensor(colorizer(coffee))
    assert torch.equal(colorizer(x), expected) and colorizer(x).dtype == torch.uint8
    assert torch.equal(colorizer(x.permute(1,2,0).contiguous().permute(2,0,1)), expected)
    traced = (x/255).requires_grad_()
    assert not colorizer(traced).requires_grad and torch.equal(x, photo2tensor(coffee))

@pytest.mark.parametrize('dtype, off', [(torch.float32, .01), (torch.float64, .01), (torch.float16, .1), (torch.bfloat16, .8)], ids=str)
def test_floats_keep_their_lightness(colorizer, dtype, off):
    "At 16 bits, where the numbers of the tensor have them"
    deep = torch.rand(3, 60, 90, generator=torch.Generator().manual_seed(0), dtype=torch.float32).mul_(.4).add_(.3).to(dtype)
    answer = colorizer(deep)
    assert (answer.dtype, answer.shape) == (dtype, deep.shape) and 0 <= answer.min() and answer.max() <= 1
    assert (rgb2l(answer.float()) - rgb2l(deep.float())).abs().max() < off
    assert (answer.float() - photo2tensor(colorizer(deep.float().permute(1,2,0).numpy()))/255).abs().max() < .02

def test_channels(colorizer):
    grey, alpha = photo2tensor(coffee.convert('L'))[:1], torch.randint(0, 256, (1,60,90), dtype=torch.uint8)
    assert torch.equal(colorizer(grey), photo2tensor(colorizer(coffee.convert('L'))))
    for see_through in (torch.cat([x, alpha]), torch.cat([x, 0*alpha + 255])):
        answer = colorizer(see_through)
        assert answer.shape == (4,60,90) and torch.equal(answer[3], see_through[3]) and torch.equal(answer[:3], colorizer(x))
        assert torch.equal((colorizer(see_through/255)[3]*255).round(), see_through[3].float())

def test_batch(colorizer):
    batch = torch.stack([x, x.flip(1), x.flip(2)])
    answer = colorizer(batch)
    assert answer.shape == batch.shape and all(torch.equal(a, colorizer(o)) for a, o in zip(answer, batch))
    assert colorizer(batch[:,:1]/255).shape == batch.shape

def test_hints_for_a_tensor(colorizer):
    "What a person knows holds for tensors, and in other processes, too"
    from letthere_color.hints import Hint
    told = colorizer.told([Hint((45, 30), 'olivedrab')])
    expected = photo2tensor(told(coffee))
    assert not torch.equal(expected, colorizer(x)) and torch.equal(told(x), expected) and torch.equal(pickle.loads(pickle.dumps(told))(x), expected)
    assert torch.equal(colorizer(x, hints=[Hint((45, 30), 'olivedrab')]), expected) and torch.equal(colorizer(x, hints=Hint((45, 30), 'olivedrab')), expected)
    white = torch.full_like(x[:1], 255)
    assert torch.equal(colorizer(x, only=white), colorizer(x)) and Hint((1, 1), 'red', reach=np.int64(50)).reach == 50

def test_a_plane(colorizer): assert torch.equal(colorizer(x[0]), colorizer(x[:1])) # (H,W), as of an array

@pytest.mark.parametrize('wrong', ['1.3', -1, float('nan'), None])
def test_strengths_are_numbers(colorizer, wrong):
    for name in ('saturation', 'style_strength'):
        with pytest.raises(ValueError, match=f'{name} is {wrong!r}: give 0'): Colorizer(colorizer.model, **{name: wrong})

def test_inside_the_autocast_of_a_program(colorizer, tmp_path):
    "The same colours, from each way to ask for them"
    expected = colorizer(coffee)
    colorizer.colorize_file(coffee, tmp_path/'b.png')
    with torch.autocast('cpu', torch.bfloat16):
        assert Colorizer.from_pretrained('tiny', size=64)(coffee) == Colorizer.from_pretrained('tiny', size=64)([coffee])[0]
        assert colorizer(coffee) == expected
        colorizer.colorize_file(coffee, tmp_path/'a.png')
        assert torch.is_autocast_enabled('cpu')
    assert Image.open(tmp_path/'a.png') == Image.open(tmp_path/'b.png')

def test_another_default_dtype_is_refused(colorizer):
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(ValueError, match='default dtype is torch.float64: torch.set_default_dtype'): colorizer(coffee)
        with pytest.raises(ValueError, match='default dtype is torch.float64'): Colorizer.from_pretrained('tiny')
    finally: torch.set_default_dtype(torch.float32)

def test_what_is_told_needs_no_import(tmp_path):
    "`only`, an argument of the call, brings its chapter itself"
    said = 'from PIL import Image; from letthere_color.inference import Colorizer; im = Image.new("L", (40, 30), 99); print(Colorizer.from_pretrained("tiny", size=32)(im, only=im).size)'
    assert subprocess.run([sys.executable, '-c', said], capture_output=True, text=True, cwd=tmp_path).stdout == '(40, 30)\n'

def test_style_from_a_tensor(colorizer):
    china = sample_photos()['china'].resize((90,60))
    assert Colorizer(colorizer.model, 64, style=photo2tensor(china))(coffee) == Colorizer(colorizer.model, 64, style=china)(coffee)
    features = torch.full((1, 256), torch.nan)[:, :colorizer.model.global_features.nf]
    with pytest.raises(ValueError, match='NaN'): Colorizer(colorizer.model, style=features)
    with pytest.raises(ValueError, match='no style'): Colorizer(colorizer.model, style_strength=.5)

@pytest.mark.parametrize('quality', [0, 101, '90', 50.5])
def test_quality_is_a_number(colorizer, tmp_path, quality):
    with pytest.raises(ValueError, match=f'quality is {quality!r}'): colorizer.colorize_file(coffee, tmp_path/'a.jpg', quality=quality)
    assert not list(tmp_path.iterdir())

def test_two_photos_with_one_result(colorizer, tmp_path):
    from letthere_color.folders import colorize_files
    with pytest.raises(ValueError, match='result of two photos'): next(colorize_files(colorizer, [(tmp_path/'a.png', tmp_path/'o.png'), (tmp_path/'b.png', str(tmp_path/'o.png'))]))

def test_a_result_that_exists_is_told_first(colorizer, tmp_path, monkeypatch):
    monkeypatch.setattr(Colorizer, 'prepare', lambda *o, **kw: pytest.fail('looked at the photo'))
    (tmp_path/'out.png').write_bytes(b'mine')
    with pytest.raises(PhotoError, match='exists already'): colorizer.colorize_file(coffee, tmp_path/'out.png')

# ---- open files and lists

@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_open_files(colorizer, tmp_path, kind):
    "From their start, wherever they stand; bytes and their views, too"
    f = as_file(coffee, kind)
    (tmp_path/'photo').write_bytes(f.getvalue())
    expected = colorizer(tmp_path/'photo')
    for o in (f, f, f.getvalue(), bytearray(f.getvalue()), memoryview(f.getvalue())): assert colorizer(o) == expected
    with open(tmp_path/'photo', 'rb') as o: assert colorizer(o) == colorizer(o) == expected
    with open(tmp_path/'photo', 'rb', 0) as o: assert colorizer(o) == expected

def test_a_stream_that_can_only_be_read(colorizer):
    class Stream:
        def __init__(self, data): self.read = io.BytesIO(data).read
    assert colorizer(Stream(as_file(coffee).getvalue())) == colorizer(coffee)

def test_all_pages_of_an_open_file(colorizer, tmp_path):
    f = io.BytesIO()
    coffee.convert('L').save(f, 'TIFF', save_all=True, append_images=[coffee.convert('L').transpose(0)])
    colorizer.colorize_file(f, tmp_path/'out.tif')
    assert read_photo(tmp_path/'out.tif').n_pages == 2

def test_style_from_an_open_file(colorizer):
    china = sample_photos()['china'].resize((90,60))
    styled = [Colorizer(colorizer.model, 64, style=o)(coffee) for o in (china, as_file(china))]
    assert styled[0] == styled[1] != colorizer(coffee)

def test_list(colorizer, monkeypatch, tmp_path):
    "In its order, each in its form; copies of one shape go through the network together, a few at a time"
    tall = coffee.transpose(Image.Transpose.ROTATE_90)
    coffee.save(tmp_path/'a.png')
    photos = [coffee, tall, tmp_path/'a.png', x, as_file(tall), np.asarray(coffee)]*2
    shapes, predict = [], Colorizer.predict
    monkeypatch.setattr(Colorizer, 'predict', lambda self, copies: shapes.append(len(copies)) or predict(self, copies))
    together, batches = colorizer(photos), shapes[:]
    assert batches == [5, 3, 3, 1]  # of eight photos, then of four: lying, and standing
    assert isinstance(together, list) and [type(o) for o in together] == [type(colorizer(o)) for o in photos]
    for a, o in zip(together, photos):
        b = colorizer(o)
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
    assert colorizer(tuple(photos[:3])) == together[:3]

# ---- what is no photo

class Upload:
    async def read(self): return b''

class Words:
    def read(self): return 'Dear Sir or Madam'

def closed():
    f = io.BytesIO(b'x')
    f.close()
    return f

NAN = torch.full((3,60,90), .5)
NAN[1,2,3] = torch.nan
BAD = {
    'NaN in a tensor': (NAN, 'tensor (3, 60, 90) float32: has NaN in it (1 of 16200); fill it'),
    'inf in an array': (np.float32([[.5, np.inf, -np.inf]]), 'array (1, 3) float32: has infinity in it (2 of 3); fill it'),
    'inf in a tensor': (torch.full((3,60,90), torch.inf), 'tensor (3, 60, 90) float32: has infinity in it (16200 of 16200); fill it'),
    'NaN in an array': (np.float32([[.5, np.nan]]), 'array (1, 2) float32: has NaN in it (1 of 2); fill it'),
    'infinite': (torch.full((1,8,8), torch.inf), 'has infinity in it (64 of 64)'),
    '0 to 255': (x.float(), 'neither uint8 nor float in [0,1] (0 to 2'),
    '-1 to 1': (x/127.5 - 1, 'scale it, (x+1)/2'),
    'integers': (x.long(), 'tensor (3, 60, 90) int64: is neither uint8 nor float in [0,1]; convert it'),
    'an array of integers': (np.asarray(coffee).astype(int), 'array (60, 90, 3) int64: is neither uint8'),
    'a deep array of integers': (np.full((4,4), 60_000), '(60000 to 60000); divide it, x/65535'),
    'complex numbers': (np.ones((8,8), complex), 'complex128: is not a photo; give (H,W)'),
    'words': (np.array([['a', 'b']]), 'is not a photo; give (H,W)'),
    'channels last': (x.permute(1,2,0), 'permute(2,0,1)'),
    'a row': (x[0,0], 'tensor (90,) uint8: is not a photo; give (C,H,W)'),
    'two channels': (x[:2], 'with 1, 3 or 4 channels'),
    'five dimensions': (x[None,None], 'is not a photo'),
    'no pixels': (x[:,:0], 'is not a photo'),
    'an empty list': ([], 'list: is empty'),
    'an empty batch': (x[None][:0], 'Tensor: is empty'),
    'a list in a list': ([[coffee]], 'photo 1 of 1: list: is no photo'),
    'the ninth of a list': ([coffee]*8 + [NAN], 'photo 9 of 9: tensor (3, 60, 90) float32: has NaN'),
    'the second of a batch': (torch.stack([torch.full_like(NAN, .5), NAN]), 'photo 2 of 2: tensor (3, 60, 90) float32: has NaN'),
    'a generator': ((o for o in [coffee]), 'generator: is no photo; give a path'),
    'no bytes': (b'', 'is empty (0 bytes)'),
    'an empty file': (io.BytesIO(), 'BytesIO: is empty (0 bytes)'),
    'text': (io.StringIO('Dear Sir or Madam'), 'open it with mode "rb"'),
    'a letter': (io.BytesIO(b'Dear Sir or Madam'), 'is not a photo'),
    'half a photo': (io.BytesIO(as_file(coffee, 'JPEG').getvalue()[:900]), 'is damaged or cut off'),
    'a closed file': (closed(), 'cannot be read'),
    'an upload that is awaited': (Upload(), 'is read by await'),
    'a file that gives text': (Words(), 'Words: gives str, not bytes'),
    'None': (None, 'NoneType: is no photo'),
    'a number': (7, 'int: is no photo'),
}

@pytest.mark.parametrize('photo, says', BAD.values(), ids=BAD)
def test_no_photo(colorizer, photo, says):
    with pytest.raises(PhotoError) as e: colorizer(photo)
    assert says in str(e.value) and '\n' not in str(e.value) and len(str(e.value)) < 250, str(e.value)

@pytest.mark.parametrize('name', ['small', Path('runs/tiny')], ids=str)
def test_a_name_is_no_network(name):
    with pytest.raises(ValueError, match=rf"{name} is a name: Colorizer.from_pretrained\('{name}'\)"): Colorizer(name)

# ---- other processes

def same_colours(pickled, expected):
    "In another process"
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickled)(coffee)), expected)

KINDS = {'fast': {}, 'plain': dict(fast=False), 'bfloat16': dict(dtype=torch.bfloat16), 'full': dict(size='full'),
         'styled': dict(style='class:sunset', style_strength=.5, saturation=1.5)} | {o: dict(engine=o) for o in ENGINES[1:] if not unusable(o)}

@pytest.mark.parametrize('kind', KINDS)
def test_pickle(kind):
    "The same colours bit for bit, before and after it has coloured; a copy colours, too"
    colorizer = Colorizer.from_pretrained('tiny', **KINDS[kind])
    new = pickle.dumps(colorizer)
    expected = np.asarray(colorizer(coffee))
    for o in (pickle.loads(new), pickle.loads(pickle.dumps(colorizer))):
        np.testing.assert_array_equal(np.asarray(o(coffee)), expected)
        assert type(o.model) is type(colorizer.model)

def test_changed_layers_are_not_pickled(colorizer):
    "They are not in the engine, and the copy could not know"
    fast = fast_model(load_model('tiny'), 'ncnn')
    fast.low_level[0][0].weight.mul_(2)
    for send in (pickle.dumps, copy.deepcopy):
        with pytest.raises(ValueError, match='Layers were changed'): send(fast)

def test_spawn(colorizer):
    "A process that has imported nothing of ours, as multiprocessing on macOS and Windows starts them"
    p = get_context('spawn').Process(target=same_colours, args=(pickle.dumps(colorizer), np.asarray(colorizer(coffee))))
    p.start(); p.join(PATIENCE)
    assert p.exitcode == 0

def test_joblib(colorizer):
    photos = [coffee, coffee.transpose(0)]
    assert joblib.Parallel(2, prefer='processes')(joblib.delayed(colorizer)(o) for o in photos) == [colorizer(o) for o in photos]
    joblib.externals.loky.get_reusable_executor().shutdown(wait=True)  # its processes would wait for more, and other tests count processes

# ---- the hub

def test_parts_that_a_hub_would_lose(tmp_path, monkeypatch):
    "They are refused before anything is made there; what is stored already stays"
    import huggingface_hub.hub_mixin as hub
    sent = []
    monkeypatch.setattr(hub, 'HfApi', lambda *a, **kw: type('Api', (), dict(
        create_repo=lambda self, **kw: sent.append('made') or type('Repo', (), dict(repo_id='owner/name')),
        upload_folder=lambda self, folder_path, **kw: sent.append(sorted(o.name for o in Path(folder_path).iterdir()))))())
    model = load_model('tiny')
    model.push_to_hub('owner/name')
    assert sent[0] == 'made' and {'config.json', 'model.safetensors'} <= {*sent[1]}
    model.save_pretrained(tmp_path/'m')
    before = {p.name: p.read_bytes() for p in (tmp_path/'m').iterdir()}
    model.low_level[0][-1] = torch.nn.GELU()
    for store in (lambda: model.push_to_hub('owner/name'), lambda: model.save_pretrained(tmp_path/'m')):
        with pytest.raises(ValueError, match='low_level would be lost'): store()
    assert len(sent) == 2 and {p.name: p.read_bytes() for p in (tmp_path/'m').iterdir()} == before

# ---- the service

@pytest.fixture(scope='module')
def service():
    "The example, on a free port, in a thread of its own"
    threads = torch.get_num_threads()
    spec = importlib.util.spec_from_file_location('service', root/'examples/service.py')
    service = importlib.util.module_from_spec(spec); spec.loader.exec_module(service)
    door = socket.socket(); door.bind(('127.0.0.1', 0))
    server = uvicorn.Server(uvicorn.Config(service.app, limit_concurrency=service.CLIENTS, log_level='warning'))
    thread = threading.Thread(target=server.run, args=([door],), daemon=True); thread.start()
    service.url = f'http://127.0.0.1:{door.getsockname()[1]}/'
    yield service
    server.should_exit = True
    thread.join(PATIENCE); door.close()
    torch.set_num_threads(threads)

def ask(service, data=None, method='POST'):
    "Status and content of the answer"
    try:
        with urllib.request.urlopen(urllib.request.Request(service.url, data, method=method), timeout=PATIENCE) as r: return r.status, r.read()
    except urllib.error.HTTPError as e: return e.code, e.read()

def test_twenty_clients_at_once(service, monkeypatch):
    "Each gets its own photo, coloured as by itself; no more are in work than there are cores"
    photos = [as_file(coffee.resize((60 + i, 40)), ['JPEG', 'PNG'][i % 2]).getvalue() for i in range(20)]
    expected = [service.colour(o) for o in photos]
    work, lock, most, now = service.colour, threading.Lock(), [0], [0]
    def counted(data):
        with lock: now[0] += 1; most[0] = max(most[0], now[0])
        try: return work(data)
        finally:
            with lock: now[0] -= 1
    monkeypatch.setattr(service, 'colour', counted)
    ready = threading.Barrier(len(photos))
    def client(o): ready.wait(PATIENCE); return ask(service, o)
    with ThreadPoolExecutor(len(photos)) as pool: answers = [*pool.map(client, photos)]
    assert [o[0] for o in answers] == [200]*20
    for i, (_, data) in enumerate(answers):
        a, b = (np.asarray(Image.open(io.BytesIO(o))) for o in (data, expected[i]))
        assert a.shape == (40, 60 + i, 3) and np.array_equal(a, b)
    assert 1 <= most[0] <= service.AT_ONCE

def test_what_is_no_photo(service, monkeypatch):
    "4xx and one line; and the next one is coloured again"
    bomb = as_file(Image.new('L', (7000,7000))).getvalue()
    half = as_file(coffee, 'JPEG').getvalue()[:900]
    for data, says in ((b'Dear Sir or Madam', b'is not a photo'), (b'', b'is empty'), (half, b'damaged or cut off'), (bomb, b'limit is 30 million')):
        status, line = ask(service, data)
        assert status == 422 and says in line and line.count(b'\n') == 1, line
    assert ask(service, method='GET')[0] == 405
    monkeypatch.setattr(service, 'MAX_BYTES', 1000)
    status, line = ask(service, as_file(sample_photos()['china']).getvalue())
    assert status == 413 and b'make it smaller' in line
    monkeypatch.undo()
    assert ask(service, as_file(coffee).getvalue())[0] == 200

def test_an_endless_upload(service):
    "Is answered while it is being sent, and cut off"
    with socket.create_connection(('127.0.0.1', int(service.url.split(':')[2][:-1])), timeout=PATIENCE) as s:
        s.sendall(b'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
        with pytest.raises(OSError):
            for _ in range(300): s.sendall(b'100000\r\n' + bytes(1<<20) + b'\r\n')  # 300 MB
    assert ask(service, as_file(coffee).getvalue())[0] == 200

def test_container(tmp_path):
    "What the Dockerfile copies is there, and is enough to build from"
    lines = (root/'examples/Dockerfile').read_text().splitlines()
    for *sources, target in (line.split()[1:] for line in lines if line.startswith('COPY ')):
        for o in sources:
            to = tmp_path/target if target not in ('.', './') else tmp_path/Path(o).name
            if (root/o).is_dir(): shutil.copytree(root/o, to, ignore=shutil.ignore_patterns('__pycache__'))
            else: shutil.copy(root/o, to)
    r = subprocess.run([sys.executable, 'setup.py', '-q', 'build'], cwd=tmp_path, capture_output=True, text=True)
    built = tmp_path/'build/lib/letthere_color'
    assert r.returncode == 0 and (built/'weights/small/model.safetensors').exists() and (tmp_path/'service.py').exists(), r.stderr
    assert any('test -n "$CPU_INDEX"' in o and '--index-url "$CPU_INDEX"' in o for o in lines)

# ---- the command

@pytest.mark.parametrize('args', [['--debug', 'colorize', 'letter.jpg'], ['colorize', '--debug', 'letter.jpg'], ['colorize', 'letter.jpg', '--debug']], ids=' '.join)
def test_debug_anywhere(tmp_path, args):
    (tmp_path/'letter.jpg').write_text('Dear Sir or Madam')
    r = letthere(tmp_path, *args, '--model', 'tiny')
    assert r.returncode == 1 and 'Traceback' in r.stderr, r.stderr
    assert 'Traceback' not in letthere(tmp_path, *(o for o in args if o != '--debug'), '--model', 'tiny').stderr

def test_a_file_of_that_name(tmp_path):
    coffee.save(tmp_path/'--debug', 'PNG')
    r = letthere(tmp_path, 'colorize', '--model', 'tiny', '-o', 'out.png', '--', '--debug')
    assert r.returncode == 0 and (tmp_path/'out.png').exists(), r.stderr

@pytest.fixture
def folder(tmp_path):
    (tmp_path/'photos').mkdir()
    for i, o in enumerate(sample_photos().values()): o.resize((140,130)).save(tmp_path/f'photos/{i}.png')
    return tmp_path

def test_evaluate_a_folder(folder):
    "As an argument or as the option; the table is explained"
    found = []
    for how in (['photos'], ['--data', 'photos']):
        r = letthere(folder, 'evaluate', *how, '--model', 'tiny', '--limit', 2, '--json', 'found.json')
        assert r.returncode == 0 and 'Good pixels: share of' in r.stdout and 'rror and shift of colourfulness' in r.stdout, r.stderr
        found.append(json.loads((folder/'found.json').read_text()))
    assert found[0]['methods'] == found[1]['methods'] and found[0]['data'] == found[1]['data'] and found[0]['data']['files'] == ['photos']
    r = letthere(folder, 'evaluate')
    assert r.returncode == 2 and 'folder of colour photos' in r.stderr

def test_train_on_few_photos(folder):
    "Smaller batches, and it says so; how many are held back; epochs are counted from 1; it can be resumed"
    n = len([*(folder/'photos').iterdir()])
    r = letthere(folder, 'train', 'photos', '-o', 'run', '--epochs', 1)
    assert r.returncode == 0, r.stderr
    assert f'{n} photos without scene classes; 1 of them are held back' in r.stdout, r.stdout
    assert f'{n-1} photos to learn from: batches of {1 << (n-1).bit_length()-1} instead of 256' in r.stderr and '--start tiny' in r.stderr, r.stderr
    assert 'epoch 1, train_loss' in r.stdout and (folder/'run/epoch-001.jpg').exists()
    r = letthere(folder, 'train', '--resume', '-o', 'run')
    assert r.returncode == 0 and 'All 1 epochs are done' in r.stdout, r.stderr
    for p in sorted((folder/'photos').iterdir())[2:]: p.unlink()
    r = letthere(folder, 'train', 'photos', '-o', 'other')
    assert r.returncode == 1 and 'too few photos' in r.stderr.splitlines()[-1] and 'Traceback' not in r.stderr, r.stderr
