"""Models: stored, loaded from folders and from the hub, exchanged, forked; the rivals used like any other."""
import inspect, json, os, socket, subprocess, sys
from dataclasses import FrozenInstanceError, replace

import pytest, torch
from torch import nn
from helpers import letthere_process, PATIENCE
from letthere_color import models
from letthere_color.colorization import Colorization, ModelConfig, predict_ab
from letthere_color.core import photo2tensor, rgb2l, sample_photos
from letthere_color.inference import Colorizer
from letthere_color.small_copy import halo, look_around, tiled_chroma
from letthere_color.models import build_model, exchanged_parts, load_model, save_model, usable_device

toy = ModelConfig(width=.125, n_classes=3, global_size=64)
rivals = {k: replace(toy, network=k, use_global=False) for k in ('unet', 'zhang')}

@pytest.fixture(params=rivals)
def rival(request, tmp_path):
    "The folder of a run whose network is a rival"
    torch.manual_seed(0)
    save_model(build_model(rivals[request.param]), tmp_path/'run/model')
    return tmp_path/'run'

def test_config_is_frozen():
    "Two models made from the default share it, so it can't be changed"
    one, other = Colorization(toy), Colorization(toy)
    with pytest.raises(FrozenInstanceError): one.config.name = 'mine'
    assert inspect.signature(Colorization).parameters['config'].default == ModelConfig() and other.config.name == ''
    assert hash(replace(toy, class_names=['a'])) == hash(toy) and replace(toy, class_names=['a']) != toy

@pytest.mark.parametrize('dtype', [None, torch.bfloat16], ids=str)
def test_rivals_colour(rival, dtype):
    "Plain and in bfloat16, from the folder of their run"
    colorizer = Colorizer.from_pretrained(rival, dtype=dtype, size=64)
    im = colorizer(sample_photos()['coffee'].resize((150,101)))
    assert im.size == (150,101) and im.mode == 'RGB'
    with pytest.raises(ValueError, match='no global features'): Colorizer.from_pretrained(rival, style=sample_photos()['china'])

def test_rivals_at_full_size(rival):
    "They say that they can't, before a photo is read"
    with pytest.raises(ValueError, match='how far this network looks'): Colorizer.from_pretrained(rival, size='full')

def test_rival_by_command(rival, tmp_path):
    photo, out = tmp_path/'photo.png', tmp_path/'out.png'
    sample_photos()['coffee'].resize((64,48)).save(photo)
    r = letthere_process(tmp_path, 'colorize', photo, '-o', out, '--model', rival)  # which knows nothing of rivals yet
    assert r.returncode == 0 and out.exists(), r.stderr

def test_importing_has_no_effect():
    code = 'import sys, letthere_color.models as m; assert "letthere_color.rivals" not in sys.modules; n = dict(m.NETWORKS); import letthere_color.rivals; assert m.NETWORKS == n'
    subprocess.run([sys.executable, '-c', code], check=True)

@pytest.mark.parametrize('config', [toy, *rivals.values()], ids=['ours', *rivals])
def test_hub(config, tmp_path, monkeypatch):
    "What a hub model is, its config says"
    torch.manual_seed(0)
    model = build_model(config).eval()
    save_model(model, tmp_path/'hub')
    asked = []
    def download(repo, name, local_files_only): asked.append((repo, name)); return str(tmp_path/'hub'/name)
    monkeypatch.setattr(models, 'hf_hub_download', download)
    monkeypatch.setattr(models, 'get_hf_file_metadata', lambda url: None)
    monkeypatch.chdir(tmp_path)
    again = load_model('owner/name')
    assert asked == [('owner/name', 'config.json'), ('owner/name', 'model.safetensors')] and type(again) is type(model)
    L = torch.rand(1,1,40,32)
    assert (predict_ab(again, L) - predict_ab(model, L)).abs().max() < .5
    def offline(*args, **kw): raise OSError('no way to the hub')
    monkeypatch.setattr(models, 'hf_hub_download', offline)
    with pytest.raises(FileNotFoundError, match="No model 'owner/name'.*no way to the hub"): load_model('owner/name')

def test_a_file_is_no_model(tmp_path):
    (tmp_path/'tiny.onnx').write_bytes(b'')
    with pytest.raises(FileNotFoundError, match='tiny.onnx: a model is a folder .* an ONNX file is for other programs'): load_model(tmp_path/'tiny.onnx')

def test_without_the_hub(tmp_path, monkeypatch):
    "One try, no waiting, one line; what was fetched before is still used"
    def wait(seconds): raise AssertionError(f'waits for {seconds} s')
    with socket.socket() as s: # a port on which nobody listens
        s.bind(('127.0.0.1', 0))
        monkeypatch.setattr(models, 'hf_hub_url', lambda *_: f'http://127.0.0.1:{s.getsockname()[1]}/config.json')
        monkeypatch.setattr('time.sleep', wait)
        with pytest.raises(FileNotFoundError, match="No model 'own/fancy': choose one of small, tiny.*The hub: .*refused") as e: load_model('own/fancy')
        assert len(str(e.value).splitlines()) == 1
    def offline(url): raise OSError('no way to the hub')
    def cached(repo, name, local_files_only): assert local_files_only; return str(tmp_path/'hub'/name)
    save_model(build_model(toy), tmp_path/'hub')
    monkeypatch.setattr(models, 'get_hf_file_metadata', offline)
    monkeypatch.setattr(models, 'hf_hub_download', cached)
    assert load_model('own/fancy').config == toy

def test_hub_mixin_reads_it(tmp_path):
    model = Colorization(replace(toy, name='mine', class_names=['a','b','c'])).eval()
    assert Colorization.from_pretrained(str(save_model(model, tmp_path/'m'))).config == model.config

class Own(nn.Sequential):
    "Other layers, other weights"
    def __init__(self, nf): super().__init__(nn.Conv2d(1, nf, 9, 8, padding=4), nn.GELU())

def test_exchanged_parts(tmp_path):
    "They colour, and are neither stored as what they aren't nor loaded into what they don't fit"
    model = Colorization(toy).eval()
    assert exchanged_parts(model) == [] and exchanged_parts(Colorization(replace(toy, use_global=False))) == []
    model.low_level = Own(model.low_level.nf)
    assert predict_ab(model.eval(), torch.rand(1,1,33,50)).shape == (1,2,33,50)
    im = Colorizer(model, size=64)(sample_photos()['coffee'].resize((70,50)))
    assert im.size == (70,50)
    state = torch.random.get_rng_state()
    with pytest.raises(ValueError, match='low_level would be lost'): save_model(model, tmp_path/'m')
    assert not (tmp_path/'m').exists() and torch.equal(state, torch.random.get_rng_state())
    synced = nn.SyncBatchNorm.convert_sync_batchnorm(Colorization(toy))  # as training on several GPUs leaves it
    assert exchanged_parts(synced) == []
    class Other(Colorization): pass
    with pytest.raises(ValueError, match='Other would be lost'): save_model(Other(toy), tmp_path/'m')
    save_model(Colorization(toy), tmp_path/'m')
    from safetensors.torch import save_model as store
    store(model, str(tmp_path/'m/model.safetensors'))
    with pytest.raises(ValueError, match='another network than config.json describes'): load_model(tmp_path/'m')
    (tmp_path/'m/model.safetensors').write_bytes(b'half of it')
    with pytest.raises(ValueError, match='damaged'): load_model(tmp_path/'m')

class Mine(Colorization):
    def __init__(self, config):
        super().__init__(config)
        self.low_level = Own(self.low_level.nf)

@pytest.mark.parametrize('network', [Mine, f'{__name__}:Mine'], ids=['class', 'path'])
def test_own_network(network, tmp_path, monkeypatch):
    "A name for a class, or for where it is"
    monkeypatch.setitem(models.NETWORKS, 'mine', network)
    save_model(build_model(replace(toy, network='mine')), tmp_path/'m')
    assert type(load_model(tmp_path/'m')) is Mine

def test_config_can_not_name_code(tmp_path):
    "A file from elsewhere chooses among networks; it does not say what to import"
    save_model(Colorization(toy), tmp_path/'m')
    config = tmp_path/'m/config.json'
    config.write_text(json.dumps(json.loads(config.read_text()) | dict(network='os:getcwd')))
    with pytest.raises(ValueError, match="No network 'os:getcwd'"): load_model(tmp_path/'m')

def test_saved_whole_or_not_at_all(tmp_path, monkeypatch):
    "While a file is written the old one stays; a failure leaves nothing else"
    save_model(Colorization(toy), tmp_path/'m')
    before = {p.name: p.read_bytes() for p in (tmp_path/'m').iterdir()}
    assert set(before) == {'model.safetensors', 'config.json', 'README.md'}
    def full(*_): raise OSError('no space left')
    monkeypatch.setattr(os, 'replace', full)
    with pytest.raises(OSError, match='no space left'): save_model(Colorization(toy), tmp_path/'m')
    assert {p.name: p.read_bytes() for p in (tmp_path/'m').iterdir()} == before

def test_norms_are_exact(tmp_path):
    "A variance that 16 bits cannot hold"
    model = Colorization(toy).eval()
    model.low_level[0][1].running_var.fill_(1e6)
    assert load_model(save_model(model, tmp_path/'m')).low_level[0][1].running_var[0] == 1e6

def test_auto_device():
    assert usable_device('auto').type == ('cuda' if torch.cuda.is_available() else 'mps' if torch.backends.mps.is_available() else 'cpu')
    assert usable_device(None) == usable_device('cpu') == usable_device(torch.device('cpu')) == torch.device('cpu')

@pytest.mark.skipif(not hasattr(os, 'fork'), reason='there is no fork here')
@pytest.mark.parametrize('fast', [False, True], ids=['plain', 'fast'])
def test_forked(fast):
    "A child has none of the threads of its parent, and must not wait for them"
    code = f'''
import os, torch
from letthere_color.core import rgb2lab, sample_photos
from letthere_color.inference import Colorizer
torch.set_num_threads(2)
colorizer, photo, many = Colorizer.from_pretrained('tiny', fast={fast}), sample_photos()['china'], torch.rand(3,1500,1500)
rgb2lab(many); colorizer(photo)
if pid := os.fork(): raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
rgb2lab(many); im = colorizer(photo)
os._exit(0 if im.size == photo.size and torch.get_num_threads() == 1 else 3)'''
    env = {k: v for k,v in os.environ.items() if k not in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS')}
    p = subprocess.Popen([sys.executable, '-c', code], env=env, start_new_session=True)
    try: assert p.wait(PATIENCE) == 0
    finally:
        if p.poll() is None: os.killpg(p.pid, 9)

def test_exchanged_parts_at_full_size():
    "Tiles fit together where it is known how far a layer sees; elsewhere nothing is coloured wrongly"
    model = Colorization(toy).eval()
    model.mid_level = nn.Sequential(nn.Conv2d(model.low_level.nf, model.mid_level.nf, 3, padding=6, dilation=6), nn.GELU())
    photo = sample_photos()['coffee'].resize((150,100))
    L = rgb2l(photo2tensor(photo))[None]/100
    c = Colorizer(model, size='full')
    job = c.prepare(photo)
    assert (tiled_chroma(model, job.photo, look_around(model, job.copy), tile=64)(0, 100, None) - predict_ab(model, L)).abs().max() < 1e-3
    model.mid_level = nn.Sequential(nn.Conv2d(model.low_level.nf, 32, 1), nn.MaxPool2d(5, 1, padding=2))
    with pytest.raises(ValueError, match='how far this network looks'): halo(model)
