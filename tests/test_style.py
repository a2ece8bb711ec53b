"Styles with a name (nbs/10_style_transfer.ipynb): what ships, and what the command says when a style is missing."
import pytest, torch
from PIL import Image
from helpers import fails, letthere, letthere_process
from letthere_color.colorization import Colorization, ModelConfig
from letthere_color.models import load_model, save_model, shipped_models
from letthere_color.core import photo2tensor, rgb2lab, sample_photos
from letthere_color.batches import toy_scenes
from letthere_color.models import load_styles, model_files
from letthere_color.inference import Colorizer

def mean_ab(path): return rgb2lab(photo2tensor(Image.open(path).convert('RGB')))[1:].mean((1,2))

@pytest.fixture
def photo(tmp_path):
    sample_photos()['rocket'].resize((300, 200)).convert('L').save(tmp_path/'old.png')
    return tmp_path/'old.png'

@pytest.fixture
def own_model(tmp_path):
    "A folder with a small untrained model and no styles, and class folders of photos"
    torch.manual_seed(0)
    save_model(Colorization(ModelConfig(width=.125, n_classes=2, global_size=32)), tmp_path/'own')
    toys = toy_scenes(12, 128)
    for i, (p, c) in enumerate(zip(toys.photos, toys.labels)):
        (tmp_path/'photos'/toys.classes[c]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(p.numpy()).save(tmp_path/'photos'/toys.classes[c]/f'{i}.png')
    return tmp_path/'own'

@pytest.mark.parametrize('name', shipped_models())
def test_styles_of_shipped_models(name):
    styles, model = load_styles(name), load_model(name)  # raises if the weights are newer than the styles
    assert styles.names == model.config.class_names
    assert styles.features.shape == (len(styles.names), model.global_features.nf) and styles.features.isfinite().all()
    assert styles.features.min() >= 0 and styles.features.std(0).mean() > 0.01 and styles.chroma.abs().max() < 110
    assert (model_files(name)/'styles.safetensors').stat().st_size < 100_000

def test_preset_moves_towards_its_class(tmp_path, photo):
    def painted(*args):
        r = letthere(tmp_path, 'colorize', 'old.png', '-o', 'out.png', '--overwrite', '--model', 'tiny', *args)
        assert r.returncode == 0, r.stderr
        return mean_ab(tmp_path/'out.png')
    styles, own = load_styles('tiny'), painted()
    for name in ('sunset', 'rainforest'):
        goal, there = styles.chroma[styles.names.index(name)], painted('--style', f'class:{name}')
        assert (there - goal).norm() < (own - goal).norm() - 1, name
        half = painted('--style', f'class:{name}', '--style-strength', .5)
        more = painted('--style', f'class:{name}', '--style-strength', 1.5)
        assert (half - own).norm() < (there - own).norm() < (more - own).norm()
    assert torch.equal(painted('--style', 'class:sunset', '--style-strength', 0), own)
    assert torch.equal(painted('--style', 'class:Corn field'), painted('--style', 'class:corn_field'))

def test_list(tmp_path):
    r = letthere(tmp_path, 'styles', '--model', 'tiny')
    assert r.returncode == 0 and [o.split()[0] for o in r.stdout.splitlines()] == load_styles('tiny').names

def test_mistakes(tmp_path, photo):
    fails(tmp_path, 'colorize', 'old.png', '--style', 'class:sunst', says=['class:sunst', 'Did you mean sunset', 'letthere styles'])
    fails(tmp_path, 'colorize', 'old.png', '--style', 'class:', says=['class:', 'letthere styles'])
    fails(tmp_path, 'colorize', 'old.png', '--style', 'class:field', says=['corn_field', 'wheat_field'])
    fails(tmp_path, 'colorize', 'old.png', '--style', 'missing.jpg', says=['missing.jpg'])
    fails(tmp_path, 'styles', '--model', 'huge', says=['huge', 'tiny'])
    assert letthere(tmp_path, 'colorize', 'old.png', '--style', 'class:sunset', '--style-strength', -1).returncode == 2
    assert not (tmp_path/'old_color.png').exists()

def test_model_of_ones_own(tmp_path, photo, own_model):
    colorize = ['colorize', 'old.png', '--model', 'own', '--style', 'class:autumn', '-o', 'out.png']
    fails(tmp_path, *colorize, says=["'own' has no styles", 'letthere styles --make'])
    fails(tmp_path, 'styles', '--model', 'own', '--make', 'nowhere', says=['nowhere'])
    r = letthere(tmp_path, 'styles', '--model', 'own', '--make', 'photos')
    assert r.returncode == 0 and '2 styles' in r.stdout, r.stderr
    assert letthere(tmp_path, *colorize).returncode == 0 and (tmp_path/'out.png').exists()
    model = load_model(own_model)
    next(model.fusion.parameters()).data.mul_(2)
    save_model(model, own_model)
    fails(tmp_path, *colorize, '--overwrite', says=['own/styles.safetensors', 'other weights', '--make'])

def test_made_without_fastai(tmp_path, own_model):
    r = letthere_process(tmp_path, 'styles', '--model', 'own', '--make', 'photos', first='import sys; sys.modules["fastai"] = None; ')
    assert r.returncode == 0 and r.stdout.startswith('2 styles are in own/styles.safetensors'), r.stderr
    assert sorted(p.name for p in own_model.iterdir()) == ['README.md', 'config.json', 'model.safetensors', 'styles.safetensors']

def test_no_global_features(tmp_path, photo):
    local = Colorization(ModelConfig(width=.125, use_global=False)).eval()
    with pytest.raises(ValueError, match='no global features'): Colorizer(local, style=torch.rand(32))
    save_model(local, tmp_path/'local')
    fails(tmp_path, 'colorize', 'old.png', '--model', 'local', '--style', 'old.png', says=['no global features'])
    fails(tmp_path, 'styles', '--model', 'local', '--make', 'old.png', says=['no global features'])

def test_full_size(photo):
    a, b = (Colorizer.from_pretrained('tiny', size='full', style=s)(photo) for s in (None, 'class:sunset'))
    assert a.size == b.size == (300, 200) and a != b
