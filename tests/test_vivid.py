"""A painter against a judge: who learns from whom, runs that are killed, and which model is chosen."""
import json, signal
from dataclasses import replace

import pytest, torch
from fastai.callback.core import Callback
from fastai.learner import load_learner
from safetensors.torch import load_file
from letthere_color.batches import toy_scenes
from letthere_color.colorization import ModelConfig
from letthere_color.core import rgb2lab, tensor2photo
from letthere_color.metrics import Painted, spots
from letthere_color.models import build_model, save_model
from letthere_color.runs import train_colorizer
from letthere_color.training import colorizer_learner, Recipe
from letthere_color.vivid import choose_epoch, vividness

from helpers import ended, killed_at_call, letthere, n_calls, seeded, start

toy = Recipe(ModelConfig(width=.125), epochs=3, bs=8, size=32, opt='adamw', lr=1e-3, schedule='cosine', ema=.9, aged=.2, bf16=False, seed=3,
             judge=1e-3, judge_nf=4, judge_alone=.4) # The judge is alone for the first of three epochs, and a bit

def scenes(n, seed): return toy_scenes(n, size=40, seed=seed)
def learner(recipe=toy): return colorizer_learner(scenes(24, 5), scenes(8, 6), recipe, device='cpu')
def fit(learn, n, *cbs):
    with learn.no_bar(), learn.no_logging(): learn.fit(n, cbs=cbs)
    return learn
def vivid_run(folder, **kw):
    torch.set_num_threads(1)
    return train_colorizer(scenes(24, 5), scenes(8, 6), folder, toy, device='cpu', verbose=False, **kw)
def copied(model): return {k: v.detach().clone() for k, v in model.state_dict().items()}
def weights(state): return {k: v for k, v in state.items() if 'running_' not in k and 'num_batches' not in k and not k.endswith(('._u', '._v'))}
def changed(a, b): return [k for k in weights(a) if not torch.equal(a[k], b[k])]

def test_who_learns():
    "While the judge is alone the painter keeps its weights; later both move, and the painter's step leaves the judge as it is"
    learn, seen = learner(), []
    class Watch(Callback):
        order = 13  # before AgainstJudge
        def before_backward(self): seen.append([self.pct_train, copied(self.model), copied(self.against_judge.judge)])
        def before_step(self): seen[-1].append(copied(self.against_judge.judge))
        def after_batch(self):
            if self.training: seen[-1] += [copied(self.model), copied(self.against_judge.judge)]
    fit(learn, 3, Watch())
    alone, both = ([o for o in seen if (o[0] < toy.judge_alone) == first] for first in (True, False))
    assert len(alone) == 4 and len(both) == 5
    for _, painter, judge, painter_after, judge_after in alone: assert not changed(painter, painter_after) and changed(judge, judge_after)
    for _, painter, judge, judge_then, painter_after, judge_after in both:
        assert changed(painter, painter_after) and changed(judge, judge_then) and not changed(judge_then, judge_after)

def test_the_judge_is_heard():
    "The same run with another weight of the judge's opinion paints otherwise; with hardly any weight it ends where one without a judge's opinion does"
    a, b, c = (fit(learner(replace(toy, judge=w)), 3).model.state_dict() for w in (1e-12, 1e-3, 1e-13))
    assert not torch.equal(a['fusion.conv.0.weight'], b['fusion.conv.0.weight'])
    assert torch.allclose(a['fusion.conv.0.weight'], c['fusion.conv.0.weight'], atol=1e-5)

def test_killed(tmp_path):
    "As if nothing had happened, wherever it is killed: alone or together; the judge and its optimiser too"
    whole, run, rng = tmp_path/'whole', tmp_path/'run', seeded('vivid')
    n = n_calls(vivid_run, whole, seconds=0)
    for _ in range(3):
        p = start(killed_at_call, rng.randrange(n//3), vivid_run, run, resume=True, seconds=0)
        assert ended(p) == -signal.SIGKILL
    assert ended(start(vivid_run, run, resume=True, seconds=0)) == 0
    a, b = (load_file(o/'model/model.safetensors') for o in (whole, run))
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    a, b = (torch.load(o/'checkpoint.pt', weights_only=True)['judge'] for o in (whole, run))
    assert all(torch.equal(a['judge'][k], b['judge'][k]) for k in a['judge'])
    assert all(torch.equal(x, y) for p in a['opt']['state'] for x, y in zip(a['opt']['state'][p].values(), b['opt']['state'][p].values()))
    def rows(o): return [r.split(',')[2:] for r in (o/'history.csv').read_text().splitlines()]
    assert rows(whole) == rows(run) and 'spots' in rows(run)[0]
    for o in ('001', '002', '003'): assert (whole/f'epochs/{o}/model.safetensors').read_bytes() == (run/f'epochs/{o}/model.safetensors').read_bytes()

def test_no_trace_and_export(tmp_path):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    learn = learner()
    assert torch.equal(torch.get_rng_state(), before)
    other = learner(replace(toy, seed=4))
    assert not torch.equal(*[o.against_judge.judge.whole.parametrizations.weight.original for o in (learn, other)])
    fit(learn, 1)
    learn.path = tmp_path
    learn.export('it.pkl')
    assert not any({'judge', 'judge_opt'} & vars(cb).keys() for cb in load_learner(tmp_path/'it.pkl').cbs)

@pytest.mark.parametrize('wrong, says', [(dict(opt='adadelta'), 'adamw'), (dict(model=ModelConfig(width=.125, color_space='yuv')), 'a and b'),
                                         (dict(model=ModelConfig(width=.125, network='zhang', use_global=False)), 'a and b')])
def test_refused(wrong, says):
    with pytest.raises(ValueError, match=says): fit(learner(replace(toy, **wrong)), 1)

def test_one_process(monkeypatch):
    monkeypatch.setattr(torch.distributed, 'is_initialized', lambda: True)
    with pytest.raises(ValueError, match='one process'): fit(learner(), 1)

# Measures

def streets(n=4): return rgb2lab(toy_scenes(n, size=128, seed=1).photos.permute(0,3,1,2))

def test_spots():
    "A soft spot is counted, wherever it lies and however the photo is turned; a coloured thing that is lighter than its surroundings is not"
    even = torch.tensor([50., 0., 0.]).view(1,3,1,1).expand(1,3,64,64)
    y, x = torch.meshgrid(torch.arange(64.), torch.arange(64.), indexing='ij')
    def spotted(cy, cx, lab=even):
        lab = lab.clone(); lab[:,1] += 40*torch.exp(-((y-cy)**2 + (x-cx)**2)/(2*5**2))
        return lab
    assert spots(even).item() == 0 and spots(spotted(30, 20)).item() > .02
    one, turned = spotted(30, 20), spotted(30, 20).mT.flip(-1)
    assert torch.allclose(spots(one), spots(turned), atol=1e-6) and torch.allclose(spots(one), spots(spotted(25, 36)), atol=1e-4)
    thing = even.clone(); thing[:,:2,20:40,20:40] = torch.tensor([80., 40.])[None,:,None,None]
    assert spots(thing).item() < .001
    thing[:,0] = 50.
    assert spots(thing).item() > .05

def test_vividness():
    "Beside a painter who knows the truth and one who paints its mean"
    lab = streets()
    class Knows(torch.nn.Module):
        from letthere_color.color_spaces import COLOR_SPACES
        space = COLOR_SPACES['lab']
        def forward(self, L, style=None): return ((lab[:,1:]*self.share)/110 + 1)/2, None
    painter = Knows(); painter.share = 1.
    full, half = vividness(painter, [(lab, None)], (1., .5))
    for o in ('chroma', 'variation', 'spots'): assert abs(full[o] - 1) < 1e-3
    assert full['ciede2000'] < .01 < half['ciede2000'] and abs(half['chroma'] - .5) < 1e-3 and half['factor'] == .5
    expected = Painted(lab, lab[:,1:]*.5)
    assert abs(half['gain'] - (expected.psnr() - expected.psnr_grey()).mean().item()) < 1e-2

def test_choice():
    def o(variation, chroma, ciede2000, spots=.5): return dict(variation=variation, chroma=chroma, ciede2000=ciede2000, spots=spots)
    begin = [o(.5, .6, 10.), o(.7, .9, 12.)]  # of the start, at two strengths of colour
    fits, better, dear, spotty = o(.6, .75, 10.9), o(.65, .75, 10.9), o(.9, .75, 11.1), o(.9, .75, 10.9, 1.3)
    assert choose_epoch(dict(a=fits, b=better, c=dear, d=spotty), begin) == 'b'
    assert choose_epoch(dict(a=o(.9, .75, 11.5), b=dear), begin) == 'b'  # none fits: the one that costs least

# The command

def test_command(tmp_path):
    "`letthere train --recipe vivid` from a model: epochs are kept, one is chosen, and resuming changes nothing"
    names = ['autumn', 'summer']
    save_model(build_model(ModelConfig(width=.5, n_classes=2, class_names=names, global_size=112)), tmp_path/'begin')
    for i, photo in enumerate(toy_scenes(10, size=128, seed=1).photos):
        (folder := tmp_path/'photos'/names[i % 2]).mkdir(parents=True, exist_ok=True)
        tensor2photo(photo.permute(2,0,1)).save(folder/f'{i}.png')
    args = ['train', 'photos', '--valid', 'photos', '-o', 'run', '--recipe', 'vivid', '--start', 'begin', '--epochs', 2, '--bs', 4, '--device', 'cpu']
    r = letthere(tmp_path, *args)
    assert r.returncode == 0, r.stderr
    choice = json.loads((tmp_path/'run/choice.json').read_text())
    assert list(choice['epochs']) == ['001', '002'] and choice['chosen'] in choice['epochs'] and f'epoch {int(choice["chosen"])}' in r.stdout
    model = (tmp_path/'run/model/model.safetensors').read_bytes()
    assert model == (tmp_path/f'run/epochs/{choice["chosen"]}/model.safetensors').read_bytes()
    assert 'of 2: ' in (tmp_path/'run/model/README.md').read_text()
    assert f'{abs(choice["epochs"][choice["chosen"]]["gain"]):.2f} dB' in r.stdout
    r = letthere(tmp_path, 'train', '--resume', '-o', 'run', '--device', 'cpu')
    assert r.returncode == 0 and (tmp_path/'run/model/model.safetensors').read_bytes() == model, r.stderr
