"A network that learns from another one: `Recipe.teacher`, `train --teacher`."
import json
from contextlib import nullcontext
from dataclasses import replace

import pytest, torch
from fastai.callback.core import Callback
from letthere_color.batches import toy_scenes
from letthere_color.color_spaces import COLOR_SPACES
from letthere_color.colorization import Colorization, ModelConfig
from letthere_color.core import norm_ab, tensor2photo
from letthere_color.models import build_model, load_model, save_model
from letthere_color.runs import load_recipe, train_colorizer
from letthere_color.step_graph import PaperGraph, StepGraph
from letthere_color.training import colorizer_learner, Recipe, Teacher

from helpers import letthere
from test_devices import Rounded

scenes, judges = toy_scenes(32, size=40, seed=1), toy_scenes(8, size=40, seed=2)
VIOLET = 40., -30. # What the teacher paints, whatever it sees

@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    "The folder of a wider model, with a global branch for other sizes, which paints all in one colour"
    torch.manual_seed(0)
    model = Colorization(ModelConfig(width=.25, n_classes=3, global_size=64, name='wise'))
    last = model.colorization[-2]
    torch.nn.init.zeros_(last.weight)
    with torch.no_grad(): last.bias.copy_(norm_ab(torch.tensor(VIOLET)).logit())
    return save_model(model, tmp_path_factory.mktemp('teacher'))

@pytest.fixture
def taught(teacher): return Recipe(ModelConfig(width=.125), epochs=2, bs=8, size=32, opt='adamw', lr=1e-2, schedule='cosine', ema=.9, aged=.3, bf16=False, seed=3, teacher=str(teacher))

def fitted(recipe, *cbs):
    learn = colorizer_learner(scenes, judges, recipe, device='cpu')
    with learn.no_bar(), learn.no_logging(): learn.fit(recipe.epochs, cbs=cbs)
    return learn

def weights(learn): return torch.cat([o.detach().double().flatten() for o in learn.model.state_dict().values()])

def batches(recipe):
    "Inputs and targets of an epoch, and those of the validation photos, as the loss gets them"
    seen = []
    def note(self): seen.append((self.x.clone(), self.yb[0].clone()))
    fitted(replace(recipe, epochs=1), Callback(after_pred=note))
    x, y = zip(*seen)
    return torch.cat(x[:4]), torch.cat(y[:4]), x[4], y[4]

def test_target_is_half_way(taught):
    "Also where the pupil is given an old print; photos to judge by keep their own colours"
    x, y, judged, true = batches(taught)
    x0, y0, judged0, true0 = batches(replace(taught, teacher=''))
    assert torch.equal(x, x0) and torch.equal(judged, judged0) and torch.equal(true, true0)
    violet = norm_ab(torch.tensor(VIOLET))[:,None,None]
    assert torch.allclose(y, (y0 + violet)/2, atol=1e-3) and (y - y0).abs().mean() > .05

def looked(taught, share):
    "What the teacher sees in an epoch with a `share` of old prints, and what the pupil gets"
    shown, given = [], []
    class Watched(Teacher):
        def before_batch(self):
            if self.training: shown.append(self.x.clone())
            super().before_batch()
    def note(self): given.append(self.x.clone())
    learn = colorizer_learner(scenes, judges, replace(taught, teacher='', aged=share), device='cpu')
    with learn.no_bar(), learn.no_logging(): learn.fit(1, cbs=[Watched(load_model(taught.teacher), learn.model.space), Callback(after_pred=note)])
    return torch.cat(shown), torch.cat(given[:4])

def test_teacher_sees_the_photo_as_it_is(taught):
    "Not the old print: what it is shown is the same with and without"
    (new, same), (shown, given) = looked(taught, 0.), looked(taught, 1.)
    assert torch.equal(new, same) and torch.equal(shown, new) and not torch.equal(given, new)

def test_pupil_follows_and_teacher_stays(taught, teacher):
    "After some epochs the pupil paints nearer to violet than one that had no teacher"
    before = (teacher/'model.safetensors').read_bytes()
    long, far = replace(taught, epochs=4, aged=0.), {}
    for name in (taught.teacher, ''):
        learn = fitted(replace(long, teacher=name))
        with learn.no_bar(): (ab, _), (true, _) = learn.get_preds()
        far[bool(name)] = (ab - torch.tensor(VIOLET)[:,None,None]).norm(dim=1).mean().item()
        assert (true - torch.tensor(VIOLET)[:,None,None]).norm(dim=1).mean() > 50  # get_preds gives the truth
    assert far[True] < far[False] - 10
    assert (teacher/'model.safetensors').read_bytes() == before

class PowerCut(Exception): pass
class CutAt(Callback):
    def __init__(self, batch): self.batch = batch
    def after_batch(self):
        if self.training and self.train_iter == self.batch: raise PowerCut('the power is out')

def test_resumed(tmp_path, taught):
    "To the last bit; another teacher is another run"
    def run(folder, recipe=taught, **kw): return train_colorizer(scenes, judges, tmp_path/folder, recipe, device='cpu', seconds=0, verbose=False, **kw)
    whole = weights(run('whole'))
    with pytest.raises(PowerCut): run('cut', cbs=[CutAt(6)])
    assert torch.equal(weights(run('cut', resume=True)), whole)
    assert not torch.equal(weights(run('alone', replace(taught, teacher=''))), whole)
    assert load_recipe(tmp_path/'cut') == taught
    with pytest.raises(ValueError, match='other settings .teacher '): run('alone', resume=True)

def test_recorded_steps(taught):
    "A GPU that replays its steps learns the same: the target is made before what is recorded"
    class Paper(StepGraph):
        def __init__(self): super().__init__(kind=PaperGraph)
    found = []
    for graph in (StepGraph(), Paper()):
        learn = colorizer_learner(scenes, judges, taught, device='cpu')
        learn.remove_cb(StepGraph)
        with learn.no_bar(), learn.no_logging(): learn.fit(2, cbs=[Rounded(), graph])
        found.append((weights(learn), graph.why))
    (plain, why), (recorded, none) = found
    assert why and not none and torch.equal(plain, recorded)

@pytest.mark.parametrize('config', [dict(color_space='yuv'), dict(network='zhang', use_global=False)], ids=['yuv', 'zhang'])
def test_teachers_that_do_not_fit(tmp_path, taught, config):
    "Answers in another colour space, and answers that are no colours"
    other = build_model(ModelConfig(width=.125, name='other', **config))
    with pytest.raises(ValueError, match='other cannot teach'): Teacher(other, COLOR_SPACES['lab'])
    with pytest.raises(ValueError, match='other cannot teach') if config.get('network') else nullcontext(): Teacher(other, other.space)

def test_refused_before_it_learns(taught, teacher):
    yuv = replace(taught, model=replace(taught.model, color_space='yuv'))
    with pytest.raises(ValueError, match='wise cannot teach'): colorizer_learner(scenes, judges, yuv, device='cpu')

def test_command(tmp_path, teacher):
    "The teacher is looked for before a photo is read; a run knows its teacher"
    (tmp_path/'photos').mkdir()
    for i, o in enumerate(scenes.photos[:20]): tensor2photo(o.permute(2,0,1)).resize((128,128)).save(tmp_path/f'photos/{i}.png')
    train = ['train', 'photos', '-o', 'run', '--epochs', 1, '--bs', 4, '--start', 'tiny']
    r = letthere(tmp_path, *train, '--teacher', 'nobody')
    assert r.returncode == 1 and "No model 'nobody'" in r.stderr and not (tmp_path/'run').exists()
    r = letthere(tmp_path, *train, '--teacher', teacher)
    assert r.returncode == 0 and 'The model is in run' in r.stdout, r.stderr
    assert json.loads((tmp_path/'run/recipe.json').read_text())['teacher'] == str(teacher)
    r = letthere(tmp_path, *train, '--resume')  # without its teacher: other settings
    assert r.returncode == 1 and 'teacher' in r.stderr
