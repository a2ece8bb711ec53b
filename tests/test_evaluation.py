"""`letthere evaluate`, metrics that need networks, and the rivals: trained, cut off, resumed, compared."""
import io, json, subprocess, sys
from dataclasses import replace
from pathlib import Path

import pytest, torch
from PIL import Image, ImageCms
from helpers import letthere, letthere_process
from profiles import extreme_profile
from safetensors.torch import load_file
from letthere_color.color_spaces import COLOR_SPACES
from letthere_color.colorization import ModelConfig, predict_ab
from letthere_color.models import build_model, load_model, save_model
from letthere_color.core import sample_photos
from letthere_color.low_level import n_params
from letthere_color.batches import toy_scenes
from letthere_color.evaluation import network_metrics
from letthere_color.judging import judge_photos
from letthere_color.inference import Colorizer
from letthere_color.training import Recipe
from letthere_color.runs import train_colorizer
from fastai.callback.core import Callback

top = Path(__file__).parent.parent

@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    "A class folder with a grey and a broken photo"
    folder = tmp_path_factory.mktemp('photos')
    for cls, name in (('palace', 'china'), ('kitchen', 'coffee'), ('sky', 'rocket'), ('people', 'astronaut')):
        (folder/cls).mkdir()
        sample_photos()[name].resize((96,64)).save(folder/cls/f'{name}.png')
    sample_photos()['coffee'].resize((64,64)).convert('L').save(folder/'sky/grey.png')
    (folder/'sky/broken.jpg').write_bytes((folder/'sky/rocket.png').read_bytes()[:500])
    return folder

def test_command(photos, tmp_path):
    out = tmp_path/'result.json'
    r = letthere(tmp_path, 'evaluate', '--data', photos, '--model', 'tiny', '--limit', 5, '--seed', 3, '--device', 'cpu', '--json', out)
    assert r.returncode == 0, r.stderr
    found = json.loads(out.read_text())
    assert found['command'] == f'letthere evaluate --data {photos.name} --model tiny --limit 5 --seed 3 --device cpu --json result.json'
    assert all(found[k] for k in ('seed', 'hardware', 'versions', 'date')) and len(found['data']['digest']) == 64
    left_out = {Path(k).name: v for k,v in found['data']['left_out'].items()}
    assert left_out.items() <= {'grey.png':'grey', 'broken.jpg':'unreadable'}.items() and found['data']['photos'] + len(left_out) == 5
    assert all(name in r.stderr for name in left_out) and 'CIEDE2000' in r.stdout and 'mean colour' in r.stdout
    again = judge_photos(Colorizer.from_pretrained('tiny'), photos, limit=5, seed=3)
    assert json.loads(json.dumps(again['methods'])) == found['methods'] and again['photos']['rows'] == found['photos']['rows']

@pytest.mark.parametrize('args, says', [(['--data', 'nowhere'], 'nowhere does not exist'), (['--data', '.', '--json', 'no/such/file.json'], 'name a .json file in a folder that exists'),
                                        (['--data', '.', '--model', 'magic'], 'choose one of'), (['--data', '.', '--json', 'photo.jpg'], 'photo.jpg: name a .json file'),
                                        (['--data', '.', '--model', 'tiny'], 'no photo to judge in 0 files; give')])
def test_command_complains(tmp_path, args, says):
    r = letthere(tmp_path, 'evaluate', *args)
    assert r.returncode == 1 and says in r.stderr and 'Traceback' not in r.stderr

def test_file_before_the_table(photos, tmp_path, monkeypatch):
    "The results are kept, if whoever reads the table has gone"
    def gone(*_): raise BrokenPipeError
    monkeypatch.setattr('letthere_color.cli._show_judged', gone)
    letthere(tmp_path, 'evaluate', photos, '--model', 'tiny', '--json', 'r.json')
    assert json.loads((tmp_path/'r.json').read_text())['methods']

def test_own_results_are_not_judged(tmp_path):
    "A model would find its own colours perfect; and a single photo may be judged"
    colorizer = Colorizer.from_pretrained('tiny')
    sample_photos()['china'].resize((96,64)).save(tmp_path/'china.jpg')
    for suffix in ('jpg', 'png', 'tif', 'webp'): colorizer.colorize_file(tmp_path/'china.jpg', tmp_path/f'china_color.{suffix}')
    found = judge_photos(colorizer, tmp_path)['data']
    assert found['photos'] == 1 and set(found['left_out'].values()) == {'coloured by a model'} and len(found['left_out']) == 4
    assert judge_photos(colorizer, tmp_path/'china.jpg')['data']['photos'] == 1
    with pytest.raises(ValueError, match='1 files .coloured by a model'): judge_photos(colorizer, tmp_path/'china_color.png')

def test_nothing_to_judge(tmp_path):
    Image.new('RGB', (64,64), 'gray').save(tmp_path/'grey.png')
    with pytest.raises(ValueError, match='no photo to judge'): judge_photos(Colorizer.from_pretrained('tiny'), tmp_path)
    (tmp_path/'shard.tar').write_bytes(b'not a tar')
    with pytest.raises(ValueError, match='shard.tar is damaged'): judge_photos(Colorizer.from_pretrained('tiny'), tmp_path)

def test_profile(tmp_path):
    "A photo with a profile is judged as the same photo without one, whose numbers were brought to sRGB beforehand"
    photo, icc = sample_photos()['coffee'].resize((240,160)), extreme_profile()
    (tmp_path/'with').mkdir(); (tmp_path/'plain').mkdir()
    photo.save(tmp_path/'with/1.png', icc_profile=icc)
    theirs, flags = ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.Flags.BLACKPOINTCOMPENSATION
    seen = ImageCms.profileToProfile(photo, theirs, ImageCms.createProfile('sRGB'), ImageCms.Intent.RELATIVE_COLORIMETRIC, flags=flags)
    seen.save(tmp_path/'plain/1.png', icc_profile=None)
    a, b = (judge_photos(Colorizer.from_pretrained('tiny'), tmp_path/o)['methods'] for o in ('with', 'plain'))
    for method in a:
        assert abs(a[method]['psnr']['mean'] - b[method]['psnr']['mean']) < .2, method
        assert abs(a[method]['chroma_ratio'] - b[method]['chroma_ratio']) < .02, method
    photo.save(tmp_path/'with/1.png')
    assert abs(judge_photos(Colorizer.from_pretrained('tiny'), tmp_path/'with')['methods']['model']['psnr']['mean'] - a['model']['psnr']['mean']) > 1

def test_judging_needs_no_training_library(photos, tmp_path):
    "The base installation has neither fastai nor torchmetrics"
    r = letthere_process(tmp_path, 'evaluate', '--data', photos, '--model', 'tiny', '--limit', '2', '--seed', '3', '--device', 'cpu',
                         first='import sys; sys.modules.update(fastai=None, torchmetrics=None); ')
    assert r.returncode == 0 and 'SSIM' in r.stdout, r.stderr
    code = "import sys, letthere_color.judging, letthere_color.rating, letthere_color.robot; print({'fastai', 'torchmetrics'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout.strip() == 'set()'

def test_metrics_with_networks(photos):
    "Stand-ins for LPIPS and FID, whose networks must be downloaded: one sees pairs, one all photos"
    network_metrics([])  # torchmetrics can be imported now
    import torchmetrics
    from torchmetrics.image.fid import FrechetInceptionDistance
    class Corner(torch.nn.Module):
        num_features = 4
        def forward(self, x): return x.float().flatten(1)[:, :4]
    fid = FrechetInceptionDistance(feature=Corner(), normalize=True, input_img_size=(3,64,96))
    found = judge_photos(Colorizer.from_pretrained('tiny'), photos, extras=dict(lpips=torchmetrics.MeanSquaredError(), fid=fid))['methods']
    for m in found.values(): assert m['lpips'] > 0 and m['fid'] > 0
    assert found['model']['lpips'] != found['grey']['lpips'] and found['model']['fid'] != found['grey']['fid']
    assert fid.real_features_num_samples == 0  # each method has its own

few = Recipe(ModelConfig(width=.125), epochs=2, bs=8, size=32, opt='adamw', lr=1e-3, schedule='cosine', bf16=False, seed=3)

@pytest.mark.parametrize('network,own', [(dict(network='unet', use_global=False), {}), (dict(network='zhang', use_global=False), {}), (dict(color_space='rgb'), {}),
                                         ({}, dict(use_color=False, alpha=1.))], ids=['unet', 'zhang', 'rgb', 'no_color'])
def test_cut_off_and_resumed(tmp_path, network, own):
    class PowerCut(Exception): pass
    class CutAt(Callback):
        def after_batch(self):
            if self.training and self.dls.train.epoch == 1 and self.iter == 1: raise PowerCut('the power is out')
    train, valid, recipe = toy_scenes(32, size=40, seed=5), toy_scenes(8, size=40, seed=6), replace(few, model=replace(few.model, **network), **own)
    def run(name, **kw): train_colorizer(train, valid, tmp_path/name, recipe, device='cpu', seconds=0, verbose=False, **kw)
    run('whole')
    with pytest.raises(PowerCut): run('cut', cbs=[CutAt()])
    run('cut', resume=True)
    a, b = (load_file(tmp_path/o/'model/model.safetensors') for o in ('whole', 'cut'))
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    head = (tmp_path/'cut/history.csv').read_text().splitlines()[0].split(',')
    assert ('psnr' in head) == recipe.use_color and ('top1' in head) == recipe.model.use_global
    model = load_model(tmp_path/'cut')
    assert model.config.network == recipe.model.network and model.config.color_space == recipe.model.color_space
    assert predict_ab(model, torch.rand(1,1,40,40)).shape == (1,2,40,40)
    if recipe.use_color: assert Colorizer(model)(sample_photos()['coffee'].resize((50,33))).size == (50,33)

def test_older_models_and_runs(tmp_path):
    "What was written before there were colour spaces"
    save_model(build_model(ModelConfig(width=.125, n_classes=3, global_size=32)), tmp_path/'m')
    config = json.loads((tmp_path/'m/config.json').read_text())
    for k in ('color_space', 'network', 'mean_ab'): del config[k]
    (tmp_path/'m/config.json').write_text(json.dumps(config))
    assert load_model(tmp_path/'m').space is COLOR_SPACES['lab']
    train, valid = toy_scenes(16, size=40, seed=5), toy_scenes(8, size=40, seed=6)
    def run(**kw): train_colorizer(train, valid, tmp_path/'run', replace(few, epochs=1, model=replace(few.model, **kw)), device='cpu', verbose=False, resume=True)
    run()
    settings = json.loads((tmp_path/'run/recipe.json').read_text())
    settings |= settings.pop('model')
    for k in ('network', 'use_color', 'color_space'): del settings[k]
    (tmp_path/'run/recipe.json').write_text(json.dumps(settings))
    run()
    with pytest.raises(ValueError, match='other settings \\(color_space lab\\)'): run(color_space='yuv')

def test_comparison(tmp_path):
    scenes = toy_scenes(68, seed=1)
    for i,(photo,label) in enumerate(zip(scenes.photos, scenes.labels)):
        folder = tmp_path/('learn' if i < 64 else 'judge')/scenes.classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo.numpy()).save(folder/f'{i}.png')
    command = [sys.executable, top/'benchmarks/train_comparison.py', tmp_path/'learn', '--valid', tmp_path/'judge', '-o', tmp_path/'runs', '--epochs', '1', '--size', '32',
               '--only', 'ours', 'zhang', 'wide_no_global', 'no_color_loss', '--json', tmp_path/'comparison.json']
    for _ in range(2):
        r = subprocess.run(command, capture_output=True, text=True)
        assert r.returncode == 0, r.stderr
    assert r.stdout.count('has ended already') == 4
    found = json.loads((tmp_path/'comparison.json').read_text())
    assert [o['name'] for o in found['runs']] == ['ours', 'zhang', 'wide_no_global', 'no_color_loss'] and {o['photos_seen'] for o in found['runs']} == {64}
    ours, zhang, wide, scenes_only = found['runs']
    difference = zhang['judged']['methods']['model']['ciede2000']['mean'] - ours['judged']['methods']['model']['ciede2000']['mean']
    assert abs(zhang['against_ours']['mean'] - difference) < 1e-3 and scenes_only['judged'] is None and ours['history'][0]['psnr']
    assert abs(wide['parameters']/ours['parameters'] - 1) < .01 and wide['recipe']['model']['network'] == 'wide' and wide['against_ours']['se'] > 0

@pytest.mark.parametrize('width,size', [(.25, 96), (.5, 112), (.125, 64)])
def test_control_of_equal_size(width, size):
    "Without global features, and as many parameters: none of them sees further for it"
    whole = ModelConfig(width=width, n_classes=143, global_size=size)
    ours, wide, plain = (build_model(c).eval() for c in (whole, replace(whole, use_global=False, network='wide'), replace(whole, use_global=False)))
    for norm in (False, True): assert abs(n_params(wide, norm)/n_params(ours, norm) - 1) < .01
    assert n_params(plain) < .4*n_params(ours)
    L = torch.rand(1, 1, size, 3*size)
    other = L.clone(); other[..., 2*size:] = 1 - other[..., 2*size:]
    left = [m(L)[0][..., :8] - m(other)[0][..., :8] for m in (ours, wide)] # of the edge that is furthest from the change
    assert left[0].abs().max() > 0 and left[1].abs().max() == 0

def test_control_is_stored(tmp_path):
    wide = build_model(ModelConfig(width=.125, n_classes=3, global_size=32, use_global=False, network='wide')).eval()
    L = torch.rand(1, 1, 40, 40)
    assert torch.allclose(predict_ab(load_model(save_model(wide, tmp_path)), L), predict_ab(wide, L), atol=.5)
    with pytest.raises(ValueError, match='wide has no global features'): build_model(ModelConfig(width=.125, network='wide'))

def test_global_features_photo_by_photo(tmp_path):
    "Two networks on the same photos: the file's means are those of its rows, and the networks' facts are counted"
    scenes = toy_scenes(12, seed=1)
    for i, (photo, label) in enumerate(zip(scenes.photos, scenes.labels)):
        folder = tmp_path/'judge'/scenes.classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo.numpy()).save(folder/f'{i}.png')
    whole = ModelConfig(width=.125, n_classes=len(scenes.classes), class_names=scenes.classes, global_size=48)
    about = dict(args=dict(bs='64'), photos=99, labelled=9, steps=3, seen=192, seconds=1.5, result=dict(gain=.1), history=[[2, 1., dict(gain=.05)]], gpu='none', torch='0')
    for name, c in dict(one=whole, other=replace(whole, use_global=False)).items():
        save_model(build_model(c), tmp_path/name)
        (tmp_path/name/'train.json').write_text(json.dumps(about))
    r = subprocess.run([sys.executable, top/'benchmarks/global_features.py', tmp_path/'one', tmp_path/'other', '--valid', tmp_path/'judge', '--size', '48', '--json', tmp_path/'o.json'],
                       capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    text = (tmp_path/'o.json').read_text()
    found = json.loads(text)
    assert str(tmp_path) not in text and found['command'].startswith('python benchmarks/global_features.py one other --valid judge')
    rows, at = found['photos']['rows'], found['photos']['columns'].index
    assert len(rows) == found['data']['photos'] == 12 and {o[at('class')] for o in rows} == set(scenes.classes) and all(1 <= o[at('rank')] <= len(scenes.classes) for o in rows)
    for k, d in found['with_minus_without'].items(): assert abs(sum(o[at(f'{k}_with')] - o[at(f'{k}_without')] for o in rows)/12 - d['mean']) < 1e-3
    assert all(o[at('psnr_grey')] > 0 and o[at('ciede2000_with')] > 0 for o in rows)
    one, other = found['models'].values()
    assert one['parameters'] == n_params(build_model(whole)) > 2*other['parameters'] and [o['photos_seen'] for o in one['history']] == [128, 192]
