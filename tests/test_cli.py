"The command `letthere` as photographers use it (nbs/12_cli.ipynb): right results, and one clear line when something is wrong."
import io, json, os, re, shutil, subprocess, sys
from hashlib import sha256
from pathlib import Path

import numpy as np, pytest, torch
from PIL import Image
from helpers import fails, letthere, letthere_process
from letthere_color import colorize_command, engines
from letthere_color.choice import ENGINES
from letthere_color.colorization import Colorization
from letthere_color.core import photo2tensor, rgb2l, rgb2lab, sample_photos
from letthere_color.formats import has_reader, RAW
from letthere_color.inference import Colorizer
from letthere_color.photo_files import MAX_PIXELS

@pytest.fixture
def photo(tmp_path):
    sample_photos()['rocket'].resize((300, 200)).convert('L').save(tmp_path/'old.jpg')
    return tmp_path/'old.jpg'

def test_beside_the_photo(tmp_path, photo):
    before = sha256(photo.read_bytes()).digest()
    assert letthere_process(tmp_path, 'colorize', 'old.jpg').returncode == 0
    result = Image.open(tmp_path/'old_color.jpg')
    assert (result.mode, result.size) == ('RGB', (300, 200))
    assert rgb2lab(photo2tensor(result))[1:].norm(dim=0).mean() > 3, 'no colour'
    assert sha256(photo.read_bytes()).digest() == before
    fails(tmp_path, 'colorize', 'old.jpg', says=['old_color.jpg', 'exists already', '--overwrite'])
    assert letthere(tmp_path, 'colorize', 'old.jpg', '--overwrite').returncode == 0

@pytest.mark.parametrize('size', [(97,131), (4000,3000), (3000,200)])
@pytest.mark.parametrize('name', ['p.png', 'p.jpg'])
def test_size_and_lightness(tmp_path, size, name):
    sample_photos()['china'].resize(size).convert('L').save(tmp_path/name, quality=95)
    assert letthere(tmp_path, 'colorize', name, '-o', 'out.png').returncode == 0
    before, after = (rgb2l(photo2tensor(Image.open(tmp_path/o).convert('RGB'))) for o in (name, 'out.png'))
    assert after.shape == before.shape
    assert (after - before).abs().max() <= 100/255

def test_several_into_a_folder(tmp_path, photo):
    shutil.copy(photo, tmp_path/'two.png')
    r = letthere(tmp_path, 'colorize', 'old.jpg', 'missing.jpg', 'two.png', '-o', 'results')
    assert r.returncode == 1 and 'missing.jpg' in r.stderr and '2 coloured, 1 failed' in r.stdout, r.stdout
    assert sorted(p.name for p in (tmp_path/'results').iterdir()) == ['old.jpg', 'two.png']
    r = letthere(tmp_path, 'colorize', 'old.jpg', 'two.png', '-o', 'results')
    assert r.returncode == 0 and '2 skipped' in r.stdout

def test_a_folder(tmp_path, photo):
    (tmp_path/'notes.txt').write_text('not a photo')
    assert letthere(tmp_path, 'colorize', '.', 'old.jpg').returncode == 0
    assert letthere(tmp_path, 'colorize', '.', '--overwrite').returncode == 0
    assert sorted(p.name for p in tmp_path.glob('*.jpg')) == ['old.jpg', 'old_color.jpg']
    (tmp_path/'empty').mkdir()
    fails(tmp_path, 'colorize', 'empty', says=['empty has no photos'])

def test_a_photo_with_the_name_of_a_result(tmp_path, photo):
    (tmp_path/'scans').mkdir(); shutil.copy(photo, tmp_path/'scans/dress.jpg'); photo.rename(tmp_path/'scans/dress_color.jpg')
    for named in (['scans'], ['scans/dress.jpg', 'scans/dress_color.jpg']):
        r = letthere(tmp_path, 'colorize', *named, '-o', 'done', '--overwrite')
        assert r.returncode == 0 and 'by their names they are results: 1 (dress_color.jpg)' in r.stderr and 'rename' in r.stderr
        r = letthere(tmp_path, 'colorize', *named, '-o', 'done', '--overwrite', '--json')
        assert json.loads(r.stdout.splitlines()[-1])['left_out'] == {'result, by its name': [str(Path('scans/dress_color.jpg'))]}
    assert [p.name for p in (tmp_path/'done').iterdir()] == ['dress.jpg']
    assert letthere(tmp_path, 'colorize', 'scans/dress_color.jpg', '-o', 'done').returncode == 0  # alone it is a photo like any other
    r = letthere(tmp_path, 'colorize', 'scans')  # the result is there: that is told
    assert '1 skipped' in r.stdout and 'by their names' not in r.stderr

def test_a_folder_of_one_photo_goes_on(tmp_path, photo):
    (tmp_path/'scans').mkdir(); photo.rename(tmp_path/'scans/a.jpg')
    for said in ('a.jpg', '1 skipped'):
        r = letthere(tmp_path, 'colorize', 'scans', '-o', 'done')
        assert r.returncode == 0 and said in r.stdout

def test_two_formats_at_once(tmp_path, photo):
    fails(tmp_path, 'colorize', 'old.jpg', '-o', 'b.jpg', '--format', 'tif', says=['b.jpg', '--format tif'])
    assert letthere(tmp_path, 'colorize', '--demo', '--format', 'png').returncode == 0 and Image.open(tmp_path/'demo_color.png').format == 'PNG'

def test_below_the_folder(tmp_path, photo):
    (tmp_path/'album/trip').mkdir(parents=True)
    shutil.copy(photo, tmp_path/'album/trip/sea.jpg'); shutil.copy(photo, tmp_path/'album/home.jpg')
    r = letthere(tmp_path, 'colorize', 'album', '-r', '-o', 'out', '--format', 'png', '--json')
    lines = [json.loads(o) for o in r.stdout.splitlines()]
    assert {o['photo']: o['status'] for o in lines[:-1]} == {'album/home.jpg':'coloured', 'album/trip/sea.jpg':'coloured'}
    assert lines[-1]['coloured'] == 2 and sorted(str(p.relative_to(tmp_path/'out')) for p in (tmp_path/'out').rglob('*.png')) == ['home.png', 'trip/sea.png']
    assert letthere(tmp_path, 'colorize', 'album/*.jpg', '-o', 'pattern').returncode == 0
    assert [p.name for p in (tmp_path/'pattern').iterdir()] == ['home.jpg']
    assert '1 folder below not looked into' in letthere(tmp_path, 'colorize', 'album', '-o', 'flat').stderr

def test_pipe(tmp_path, photo):
    r = letthere_process(tmp_path, 'colorize', '-', '-o', '-', '--format', 'png', input=photo.read_bytes(), text=False)
    im = Image.open(io.BytesIO(r.stdout))
    assert (im.format, im.mode, im.size) == ('PNG', 'RGB', (300, 200)) and not r.stderr
    assert letthere(tmp_path, 'colorize', '-', '-o', '-', '--format', 'png', input=photo.read_bytes()).bytes == r.stdout
    r = letthere(tmp_path, 'colorize', '-', '-o', 'out.jpg')
    assert r.returncode == 1 and 'standard input is empty' in r.stderr and not (tmp_path/'out.jpg').exists()
    r = letthere(tmp_path, 'colorize', '-', '-o', 'out.jpg', input=b'Dear Sir')
    assert r.returncode == 1 and r.stderr.startswith('letthere: standard input: is not a photo')
    fails(tmp_path, 'colorize', '-', '-o', 'out.jpg', '--format', 'png', says=['out.jpg', '--format png'])
    for more in (['old.jpg', '-o', 'out.tif'], ['-', '-o', 'out.png'], ['old.jpg', '--format', 'png']):
        r = letthere(tmp_path, 'colorize', *more, '--quality', 80)
        assert r.returncode == 2 and '--quality does nothing for' in r.stderr, r.stderr

def test_hurried(tmp_path, photo):
    "What one types as with `cp`, or without a command"
    r = letthere(tmp_path, 'colorize', 'old.jpg', 'new.jpg')
    assert r.returncode == 2 and 'new.jpg: no such file' in r.stderr and '-o' in r.stderr and [o.name for o in tmp_path.iterdir()] == ['old.jpg']
    r = letthere(tmp_path, 'old.jpg')
    assert r.returncode == 2 and 'letthere colorize old.jpg' in r.stderr
    for command in ([], ['colorize'], ['study', 'make']): assert letthere(tmp_path, *command, '-h').stdout == letthere(tmp_path, *command, '--help').stdout != ''

def test_saturation_and_style(tmp_path, photo):
    sample_photos()['flower'].save(tmp_path/'flower.jpg')
    def chroma(*args):
        assert letthere(tmp_path, 'colorize', 'old.jpg', '-o', 'out.png', '--overwrite', *args).returncode == 0
        return rgb2lab(photo2tensor(Image.open(tmp_path/'out.png')))[1:]
    plain, grey, styled = chroma(), chroma('--saturation', 0), chroma('--style', 'flower.jpg')
    assert grey.norm(dim=0).mean() < 1 < plain.norm(dim=0).mean() and (plain - styled).norm(dim=0).mean() > .5

@pytest.mark.parametrize('name,content', [('text.jpg', b'Dear Sir or Madam'), ('empty.png', b''), ('half.jpg', None)])
def test_not_a_photo(tmp_path, photo, name, content):
    (tmp_path/name).write_bytes(photo.read_bytes()[:photo.stat().st_size//2] if content is None else content)
    fails(tmp_path, 'colorize', name, says=[name])

def test_other_mistakes(tmp_path, photo):
    fails(tmp_path, 'colorize', 'nothing.jpg', says=['nothing.jpg', 'no such file'])
    fails(tmp_path, 'colorize', '*.gif', says=['*.gif', 'matches no file'])
    fails(tmp_path, 'colorize', 'old.jpg', '--model', 'huge', says=['huge', 'tiny'])
    fails(tmp_path, 'colorize', 'old.jpg', '-o', 'old.jpg', '--overwrite', says=['old.jpg', 'the photo itself'])
    fails(tmp_path, 'colorize', 'old.jpg', '-o', 'out.xyz', says=['out.xyz', '.png'])
    fails(tmp_path, 'colorize', 'old.jpg', '--device', 'abacus', says=['abacus'])
    (tmp_path/'other').mkdir(); shutil.copy(photo, tmp_path/'other/old.jpg')
    fails(tmp_path, 'colorize', 'old.jpg', 'other/old.jpg', '-o', 'results', says=['both become'])
    assert letthere(tmp_path, 'colorize').returncode == 2

def test_a_file_in_the_way(tmp_path, photo):
    (tmp_path/'file').write_text('in the way')
    fails(tmp_path, 'colorize', 'old.jpg', '-o', 'file/out.jpg', says=['file'])

@pytest.mark.skipif(not hasattr(os, 'geteuid') or os.geteuid() == 0, reason='root may write everywhere')
def test_unwritable_folder(tmp_path, photo):
    (tmp_path/'locked').mkdir(mode=0o500)
    fails(tmp_path, 'colorize', 'old.jpg', '-o', 'locked/out.jpg', says=['locked'])

def test_train_resume_and_use(tmp_path):
    rng = np.random.default_rng(0)
    for cls in ('a', 'b'):
        (tmp_path/'photos'/cls).mkdir(parents=True)
        for i in range(36): Image.fromarray(rng.integers(0, 255, (4,4,3), np.uint8)).resize((128,128)).save(tmp_path/f'photos/{cls}/{i}.png')
    train = ['train', 'photos', '-o', 'run', '--epochs', 1, '--bs', 32, '--aged', .5, '--min-scale', .9]
    r = letthere_process(tmp_path, *train)
    assert r.returncode == 0 and '72 photos of 2 classes; 3 of them are held back to judge by' in r.stdout, r.stderr
    assert 'epoch 1, train_loss' in r.stdout and '\r' not in r.stdout, r.stdout
    fails(tmp_path, *train, says=['run', 'resume'])
    fails(tmp_path, *train, '--recipe', 'huge', says=['huge', 'tiny'])
    fails(tmp_path, *train, '--resume', '--seed', 1, says=['seed 0'])
    (tmp_path/'elsewhere').mkdir()
    r = letthere(tmp_path/'elsewhere', 'train', '--resume', '-o', '../run')  # as it was asked for
    assert r.returncode == 0 and '72 photos of 2 classes' in r.stdout and 'All 1 epochs are done' in r.stdout, r.stderr
    fails(tmp_path, 'train', '--resume', says=['runs/tiny: holds no run'])
    assert 'folder of photos' in letthere(tmp_path, 'train').stderr
    assert letthere(tmp_path, 'train', 'photos/a', '-o', 'other', '--bs', 64).returncode == 1  # 36 photos: too few, and what that leaves is in nobody's way
    r = letthere(tmp_path, 'train', 'photos', '-o', 'other', '--epochs', 1, '--bs', 64)
    assert r.returncode == 0 and '72 photos' in r.stdout, r.stderr
    (tmp_path/'photos').rename(tmp_path/'moved')
    fails(tmp_path, 'train', '--resume', '-o', 'run', says=['photos does not exist'])
    if sys.platform != 'win32':
        from letthere_color.files import lock_file
        other = os.open(tmp_path/'other', os.O_RDONLY); lock_file(other)  # another process trains there: its cache stays as it is
        fails(tmp_path, 'train', 'moved/a', '-o', 'other', says=['another process trains there'])
        (tmp_path/'other/checkpoint.pt').unlink()
        fails(tmp_path, 'train', 'moved/a', '-o', 'other', says=['another process trains there'])
        os.close(other)
    fails(tmp_path, 'train', 'nowhere', '-o', 'new', says=['nowhere does not exist'])
    (tmp_path/'moved').rename(tmp_path/'photos')
    fails(tmp_path, 'train', 'photos/a', '-o', 'run', says=['other photos'])
    r = letthere(tmp_path, 'colorize', 'photos/a/0.png', '-o', 'out.png', '--model', 'run')
    assert r.returncode == 0 and Image.open(tmp_path/'out.png').size == (128,128), r.stderr
    assert letthere(tmp_path, 'colorize', 'photos/a/0.png', '-o', 'styled.png', '--model', 'run', '--style', 'class:b').returncode == 0

@pytest.mark.skipif(sys.platform == 'win32', reason='no pseudo-terminals')
def test_no_photo_into_a_terminal(tmp_path, photo):
    ours, theirs = os.openpty()
    r = letthere_process(tmp_path, 'colorize', 'old.jpg', '-o', '-', capture_output=False, stdout=theirs, stderr=subprocess.PIPE)
    assert r.returncode == 1 and 'name a file with -o' in r.stderr, r.stderr
    for o in (ours, theirs): os.close(o)

def test_info(tmp_path):
    assert letthere(tmp_path, '--version').stdout.startswith('letthere_color ')
    r = letthere_process(tmp_path, '--help', first='import sys; sys.modules["torch"] = None; ')
    assert r.returncode == 0 and 'colorize' in r.stdout, r.stderr  # at once: torch takes seconds
    r = letthere(tmp_path, 'info')
    assert r.returncode == 0 and 'small (default)' in r.stdout, r.stderr

def test_every_option_arrives(tmp_path, photo, monkeypatch):
    "What is said on the command line is what the colorizer and the run are told; what is not said, too"
    told = {}
    def load(name, device, size, dtype, **kw): told.update(kw, model=name, device=device, size=size, dtype=dtype)
    def run(colorizer, plan, as_json, **kw): told.update(kw, json=as_json)
    monkeypatch.setattr(Colorizer, 'from_pretrained', load)
    monkeypatch.setattr(colorize_command, 'colour_all', run)
    assert letthere(tmp_path, 'colorize', 'old.jpg').returncode == 0
    assert told == dict(model=None, device='auto', size=176, dtype=None, style=None, style_strength=1, saturation=1, frame='auto', guided=True, keep_ink=False, engine='auto',
                        overwrite=False, strip=False, label=True, max_pixels=MAX_PIXELS, sidecar=False, keep_luma=False, quality=None, skip_colour=False, debug=False, json=False)
    r = letthere(tmp_path, '--debug', 'colorize', 'old.jpg', '--model', 'tiny', '--device', 'cpu', '--size', '112', '--dtype', 'bfloat16', '--style', 'class:sunset',
                 '--style-strength', '1.5', '--saturation', '1.3', '--frame', 'none', '--upsampling', 'bilinear', '--keep-ink', '--engine', 'torch', '--overwrite',
                 '--strip', '--no-provenance', '--max-pixels', '2', '--sidecar', '--keep-luma', '--quality', '77', '--skip-colour', '--json')
    assert r.returncode == 0, r.stderr
    assert told == dict(model='tiny', device='cpu', size=112, dtype=torch.bfloat16, style='class:sunset', style_strength=1.5, saturation=1.3, frame='none', guided=False, keep_ink=True,
                        engine='torch', overwrite=True, strip=True, label=False, max_pixels=2_000_000, sidecar=True, keep_luma=True, quality=77, skip_colour=True, debug=True, json=True)
    assert letthere(tmp_path, 'colorize', 'old.jpg', '--size', 'full').returncode == 0 and told['size'] == 'full'

def test_the_note_tells_one_result_from_another(tmp_path, photo):
    "Its master's name, and how: another style, hint, mask, frame or --strip is another document"
    photo.rename(tmp_path/'grandma.jpg')
    for name in ('coffee', 'china'): sample_photos()[name].resize((60, 40)).save(tmp_path/f'{name}.png')
    for i, name in enumerate(('mask', 'other')): Image.new('L', (300, 200), 250 + i).save(tmp_path/f'{name}.png')
    seen = set()
    def note(*more):
        r = letthere(tmp_path, 'colorize', 'grandma.jpg', '-o', 'out.jpg', '--overwrite', '--model', 'tiny', *more)
        assert r.returncode == 0, r.stderr
        data = (tmp_path/'out.jpg').read_bytes()
        ids = re.findall(rb'(?:DocumentID|InstanceID)="([^"]+)"', data)
        return data, tuple(ids)
    ways = [[], ['--strip'], ['--style', 'class:sunset'], ['--style', 'class:desert_sand'], ['--style', 'coffee.png'], ['--style', 'china.png'], ['--hint', '200,150=#3a5f2b'], ['--hint', '20,15=#3a5f2b'],
            ['--hint', '200,150=#3a5f2b@50'], ['--only', 'mask.png'], ['--only', 'other.png'], ['--frame', '10,10,290,190']]
    for way in ways:
        data, ids = note(*way)
        assert len(ids) == 2 and b'>grandma.jpg<' in data and not {ids} & seen, way
        seen.add(ids)
        if way[:1] in (['--style'], ['--hint']): assert way[1].split('=')[-1].split('@')[0].encode() in data, way
    assert note()[1] in seen and b'grandma.jpg' not in note('--no-provenance')[0]

def test_benchmark(tmp_path, monkeypatch):
    r = letthere(tmp_path, 'benchmark', '--model', 'tiny', '--sizes', '64,224')
    assert r.returncode == 0, r.stderr
    _, engine, head, *rows = [o.split() for o in r.stdout.splitlines()]
    assert engine[0] == 'fast:' and engine[1] in ENGINES
    assert [o[0] for o in rows] == ['64', '224'] and rows[1][1:3] == ['0.399', '0.080']
    for *_, plain, fast, ratio in rows: assert abs(float(plain)/float(ratio) - float(fast)) < .002 + .02*float(fast)
    measured = []
    def quick(models, sizes, **kw): measured.append(models); return [dict(size=64, paper_cpu=None, paper_gpu=None, plain=2., fast=.5)]
    monkeypatch.setattr(engines, 'benchmark_table', quick)
    assert letthere(tmp_path, 'benchmark', '--model', 'tiny', '--sizes', '64').stdout.split()[-3:] == ['2.000', '0.500', '4.00']
    plain, fast = measured[0]['plain'], measured[0]['fast']
    assert type(plain) is Colorization and (type(fast) is not Colorization or len([*fast.modules()]) != len([*plain.modules()]))
    fails(tmp_path, 'benchmark', '--sizes', '224,big', says=["'big'", '--sizes'])
    fails(tmp_path, 'benchmark', '--device', 'abacus', says=['abacus'])

def test_export(tmp_path):
    for o in ('onnx', 'onnxscript'): pytest.importorskip(o)
    ort = pytest.importorskip('onnxruntime')
    r = letthere(tmp_path, 'export', '--model', 'tiny', '-o', 'tiny.onnx')
    assert r.returncode == 0 and r.stdout.startswith('tiny.onnx: ') and os.listdir(tmp_path) == ['tiny.onnx'], r.stderr
    fails(tmp_path, 'export', '--model', 'tiny', '-o', 'tiny.onnx', says=['tiny.onnx', 'exists already', '--overwrite'])
    fails(tmp_path, 'export', '-o', 'tiny.pt', says=['tiny.pt', '.onnx'])
    fails(tmp_path, 'export', '-o', 'nowhere/tiny.onnx', says=['nowhere', 'create it'])
    from letthere_color.models import load_model
    model, session = load_model('tiny'), ort.InferenceSession(tmp_path/'tiny.onnx', providers=['CPUExecutionProvider'])
    named = {o.name: o.shape for o in session.get_inputs()}
    nf = model.global_features.nf
    assert named == {'L': ['batch', 1, 'height', 'width'], 'style': ['batch', nf], 'style_weight': ['batch', 1]}
    assert [o.name for o in session.get_outputs()] == ['ab', 'scores', 'global_features']
    for b, h, w in [(1, 224, 224), (1, 112, 112), (2, 96, 320), (1, 8, 8)]:
        L, style, weight = torch.rand(b, 1, h, w), torch.rand(b, nf), torch.tensor([[0.], [1.]][:b])
        with torch.no_grad():
            own, hidden = model.encode_global(L)
            right = model(L, own.lerp(style, weight))[0], model.classifier(hidden), own
        for a, o in zip(session.run(None, dict(L=L.numpy(), style=style.numpy(), style_weight=weight.numpy())), right):
            assert a.shape == tuple(o.shape) and np.abs(a - o.numpy()).max() <= 1e-4*max(1, o.abs().max().item())

def test_export_without_onnx(tmp_path):
    r = letthere_process(tmp_path, 'export', '--model', 'tiny', first='import sys; sys.modules["onnxscript"] = None; ')
    assert r.returncode == 1 and r.stderr.count('\n') == 1 and 'pip install "letthere_color[onnx]"' in r.stderr, r.stderr
    assert not os.listdir(tmp_path)

def test_an_error_that_users_mend_is_one_line(monkeypatch, capsys):
    "Even one without text; --debug shows where it came from"
    from letthere_color import cli, models
    errors = {ValueError(): 'ValueError; --debug', OSError(28, 'No space left on device'): 'No space left', ChildProcessError('one\ntwo'): 'one'}
    for error, says in errors.items():
        def fail(error=error): raise error
        monkeypatch.setattr(models, 'shipped_models', fail)
        monkeypatch.setattr(sys, 'argv', ['letthere', 'info'])
        with pytest.raises(SystemExit) as end: cli.main()
        err = capsys.readouterr().err
        assert end.value.code == 1 and err.count('\n') == 1 and err.startswith('letthere: ') and says in err
        monkeypatch.setattr(sys, 'argv', ['letthere', '--debug', 'info'])
        with pytest.raises(type(error)): cli.main()

def test_a_bug_shows_its_traceback(tmp_path, photo):
    r = letthere(tmp_path, '--debug', 'colorize', 'nothing.jpg')
    assert r.returncode == 1 and 'Traceback' in r.stderr and 'PhotoError' in r.stderr and r.stderr.endswith('letthere: nothing.jpg: no such file; check the name and the folder\n'), r.stderr
    bug = 'import letthere_color.inference as i\ndef look(*args): raise RuntimeError("sizes of tensors must match")\ni.look_around = look\n'
    r = letthere_process(tmp_path, 'colorize', '-', '-o', 'out.png', '--model', 'tiny', first=bug, input=photo.read_bytes(), text=False)
    assert r.returncode == 1 and b'Traceback' in r.stderr and b'sizes of tensors must match' in r.stderr

WITHOUT_FASTAI = 'import sys; sys.modules["fastai"] = None; '

def test_without_fastai(tmp_path):
    "Training names what to install; judging does not need it"
    (tmp_path/'photos').mkdir()
    sample_photos()['china'].resize((128, 96)).save(tmp_path/'photos/china.png')
    r = letthere_process(tmp_path, 'train', 'photos', first=WITHOUT_FASTAI)
    assert r.returncode == 1 and r.stderr.count('\n') == 1 and 'pip install "letthere_color[train]"' in r.stderr, r.stderr
    assert os.listdir(tmp_path) == ['photos']
    r = letthere_process(tmp_path, 'evaluate', '--data', 'photos', '--model', 'tiny', first=WITHOUT_FASTAI)
    assert r.returncode == 0 and 'tiny, 1 photos' in r.stdout, r.stderr

# ---- rough edges

def test_a_hint_outside(tmp_path, photo):
    "On either side it is outside of the photo, not wrongly written"
    for at in ('-5,10', '10,-1', '300,10', '10,20,-3,30'): fails(tmp_path, 'colorize', 'old.jpg', '--hint', f'{at}=red', says=[f'hint at {at[:5].rstrip(",")}', 'outside of the photo, which has 300 x 200'])

def test_a_mask_that_is_a_photo(tmp_path, photo):
    "It counts, as grey is coloured by halves, but that is told"
    mask = Image.new('L', (300, 200)); mask.paste(255, (0, 0, 150, 200)); mask.save(tmp_path/'mask.png')
    for name, told in (('mask.png', False), ('old.jpg', True)):
        r = letthere(tmp_path, 'colorize', 'old.jpg', '--only', name, '-o', f'{told}.png', '--model', 'tiny')
        assert r.returncode == 0 and ('neither black nor white' in r.stderr) == told, r.stderr

def test_formats_that_are_read_alone(tmp_path):
    "The line says why the result has another format"
    photo = sample_photos()['coffee'].convert('L').resize((90, 60))
    for name, kw in {'a.jp2': {}, 'b.gif': {}, 'c.png': {}}.items(): photo.save(tmp_path/name, **kw)
    r = letthere(tmp_path, 'colorize', 'a.jp2', 'b.gif', 'c.png', '--model', 'tiny')
    assert {*r.stdout.splitlines()[:3]} == {'a.jp2 -> a_color.png (instead of .jp2)', 'b.gif -> b_color.png (instead of .gif)', 'c.png -> c_color.png'}, r.stdout
    r = letthere(tmp_path, 'colorize', 'a.jp2', '-o', 'x.jp2', '--model', 'tiny')  # who asks for it gets it
    assert r.stdout == 'a.jp2 -> x.jp2\n' and 'JPEG2000 has no place for XMP' in r.stderr, r.stdout + r.stderr
    before, after = (rgb2l(photo2tensor(Image.open(tmp_path/o).convert('RGB'))) for o in ('a.jp2', 'x.jp2'))
    assert (before - after).abs().max() <= 100/255
    for name in ('x.pdf', 'x.gif', 'x.eps'): fails(tmp_path, 'colorize', 'c.png', '-o', name, '--model', 'tiny', says=[name, 'is no format for photos'])

def test_rubbish_called_raw(tmp_path):
    (tmp_path/'a.nef').write_bytes(b'Dear Sir or Madam')
    fails(tmp_path, 'colorize', 'a.nef', says=['a.nef: is no raw photo, whatever its name says', 'copy it'])
    (tmp_path/'b.nef').write_bytes(b'II*\0' + bytes(500))
    fails(tmp_path, 'colorize', 'b.nef', says=['b.nef: is a raw photo', 'or damaged', 'copy it again'] if has_reader(RAW) else ['pip install'])

def test_json_tells_of_folders_below(tmp_path, photo):
    (tmp_path/'album/below').mkdir(parents=True); photo.rename(tmp_path/'album/a.jpg')
    for more, told in (([], [str((tmp_path/'album/below').resolve())]), (['-r'], [])):
        r = letthere(tmp_path, 'colorize', 'album', '-o', 'out', '--json', '--overwrite', '--model', 'tiny', *more)
        assert json.loads(r.stdout.splitlines()[-1])['not_looked_into'] == told, r.stdout

def test_help_of_hints(tmp_path):
    said = ' '.join(letthere(tmp_path, 'colorize', '--help').stdout.replace('│', ' ').split())
    assert 'What colour is at X,Y, in pixels from the upper left' in said
