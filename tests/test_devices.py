"""What a GPU would refuse, and what it would wait for, found on a GPU of paper; recorded steps; the network that a folder's workers share."""
import contextlib, re, runpy, sys, threading, time
from dataclasses import replace
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from types import SimpleNamespace

import numpy as np, pytest, torch
from fastai.callback.all import GradientClip
from fastai.callback.core import Callback
from PIL import Image
from helpers import PATIENCE
from letthere_color import judging, training
from letthere_color.core import sample_photos
from letthere_color.batches import photo_dataloaders, toy_scenes
from letthere_color.colorization import ModelConfig, predict_ab
from letthere_color.film import aged, scratched
from letthere_color.folders import colorize_files, plan_results
from letthere_color.inference import Colorizer
from letthere_color.models import build_model, load_model, load_styles, usable_device
from letthere_color.rivals import ZhangNet  # noqa: F401 - makes its network known
from letthere_color.runs import RunFolder, train_colorizer
from letthere_color.small_copy import look_around, paint
from letthere_color.step_graph import CudaGraph, hindrance, PaperGraph, StepGraph, suit_device
from letthere_color.style_transfer import make_styles, with_style
from letthere_color.training import Aged, colorizer_learner, InColorSpace, JointLoss, Recipe

from pretend_gpu import Card, PretendGPU

here = Path(__file__).parent

@contextlib.contextmanager
def pretended(n=1):
    "PyTorch says that there are `n` GPUs"
    with pytest.MonkeyPatch.context() as m:
        m.setattr(torch.cuda, 'is_available', lambda: n > 0)
        m.setattr(torch.cuda, 'device_count', lambda: n)
        m.setattr(torch.cuda, 'current_device', lambda: 0)
        m.setattr(torch.cuda, 'mem_get_info', lambda *_: (1<<40, 1<<40))
        yield m

@pytest.fixture
def gpu():
    with pretended() as m, PretendGPU() as g:
        m.setattr(torch, 'Generator', type('Generator', (torch.Generator,), dict(__new__=lambda cls, device='cpu': torch._C.Generator.__new__(cls))))
        yield g

@pytest.fixture(scope='module')
def photo(): return sample_photos()['coffee'].resize((75, 50))

def test_the_paper_gpu_refuses(gpu):
    "Else it would prove nothing"
    x, y = torch.arange(6.).to('cuda:0'), torch.arange(6.)
    with pytest.raises(RuntimeError, match='same device'): x + y
    with pytest.raises(RuntimeError, match='same device'): torch.nn.functional.conv2d(torch.ones(1,1,4,4), torch.ones(1,1,2,2).to('cuda:0'))
    assert (x + 1).cpu().tolist() == (y + 1).tolist() and (x*torch.tensor(2.))[3] == 6
    gpu.waits.clear()
    (x + 1).to(torch.float64).clamp(max=3); torch.arange(3, device='cuda:0'); y.to('cuda:0', non_blocking=True)
    assert not gpu.waits
    for wait in (lambda: x.sum().item(), lambda: bool(x.any()), lambda: x[x > 2], lambda: x.cpu(), lambda: y.to('cuda:0'), lambda: x[torch.tensor([1])]):
        gpu.waits.clear(); wait()
        assert gpu.waits

# Devices by name

def test_devices_by_name():
    with pretended(2):
        assert usable_device(0) == usable_device('0') == usable_device('cuda:0') == torch.device('cuda:0')
        assert usable_device(1) == usable_device(torch.device('cuda:1')) == torch.device('cuda:1')
        assert usable_device('cuda') == torch.device('cuda') and usable_device('auto').type == 'cuda' and usable_device() == torch.device('cpu')
        for wrong in (2, '7', 'cuda:2', 'cuda:x', -1, '', 'gpu', True):
            with pytest.raises(ValueError, match=r'choose one of cuda:0, cuda:1, (mps, )?cpu'): usable_device(wrong)
    with pretended(0):
        for wrong in (0, '0', 'cuda', torch.device('cuda'), False):  # never the CPU without a word
            with pytest.raises(ValueError, match=r'There is no device .* here: choose one of (mps, )?cpu\.'): usable_device(wrong)
        with pytest.raises(ValueError, match='no device 0 here'): Colorizer.from_pretrained('tiny', device=0)

# Painting

@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16], ids=['float32', 'bfloat16'])
@pytest.mark.parametrize('size', [64, 'full'])
def test_photos(gpu, photo, dtype, size):
    "The whole way of a photo, with styles and without: nothing is mixed, and the colours are those of the CPU"
    there, here = (Colorizer.from_pretrained('tiny', device, size, dtype, fast=dtype == torch.bfloat16, engine='torch') for device in (0, 'cpu'))
    assert next(there.model.parameters()).is_cuda and np.array_equal(there(photo), here(photo))
    for options in (dict(style=photo.rotate(180)), dict(style=load_styles('tiny').features[0], style_strength=.5, guided=False)):
        there, here = (Colorizer(o.model, size, **options) for o in (there, here))
        assert np.array_equal(there(photo), here(photo))

def test_functions(gpu, photo):
    there, here = load_model('tiny', 0), load_model('tiny')
    L = torch.rand(2,1,40,56)
    assert torch.equal(paint(there, L, look_around(there, L)), paint(here, L, look_around(here, L)))
    assert torch.equal(predict_ab(there, L.to('cuda:0')).cpu(), predict_ab(here, L))
    scenes = toy_scenes(6, size=32)
    assert torch.equal(make_styles(there, scenes).features, make_styles(here, scenes).features)
    assert np.array_equal(with_style(Colorizer(there), photo)(photo), with_style(Colorizer(here), photo)(photo))

@pytest.mark.parametrize('dtype', [None, torch.bfloat16], ids=['float32', 'bfloat16'])
def test_judging(gpu, tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(judging, '_ahead', lambda f, items: map(f, items))  # the mode belongs to this thread
    scene = load_model('tiny').config.class_names[0]
    (tmp_path/scene).mkdir()
    for name in ('china', 'coffee'): sample_photos()[name].resize((96, 64)).save(tmp_path/scene/f'{name}.png')
    there, here = (judging.judge_photos(Colorizer.from_pretrained('tiny', device, dtype=dtype, fast=False), tmp_path, saturations=[1., 1.2]) for device in (0, 'cpu'))
    assert there == here and there['classes']['photos'] == 2

def test_judged_ahead_in_order(tmp_path):
    "Names, what was left out and why, in the order of the files; an error of the network is not swallowed"
    for i, name in enumerate(['china', 'coffee', 'rocket', 'astronaut']): sample_photos()[name].resize((48, 32)).save(tmp_path/f'{i}.png')
    sample_photos()['coffee'].convert('L').save(tmp_path/'2a.png')
    colorizer = Colorizer(load_model('tiny'))
    found = judging.judge_photos(colorizer, tmp_path)
    assert [Path(o[0]).name for o in found['photos']['rows']] == ['0.png', '1.png', '2.png', '3.png'] and [*found['data']['left_out'].values()] == ['grey']
    colorizer.predict = lambda copies: 1/0
    with pytest.raises(ZeroDivisionError): judging.judge_photos(colorizer, tmp_path)

# Batches and old prints

def drawn_by_hand(L, n, seed):
    "Stroke after stroke"
    h, w = L.shape[-2:]
    L, rng, thick = L.clone(), torch.Generator().manual_seed(seed), max(1, round(h/250))
    for x, lean, tone in torch.rand(n, 3, generator=rng).tolist():
        for i in range(thick): L[..., range(h), (x*w + (lean - .5)*.2*torch.arange(h) + i).long().clamp(0, w-1)] = 95. if tone > .3 else 5.
    for x, y, tone in torch.rand(5*n, 3, generator=rng).tolist():
        L[..., int(y*h):int(y*h)+2*thick, int(x*w):int(x*w)+2*thick] = 95. if tone > .3 else 5.
    return L

@pytest.mark.parametrize('size', [(57, 61), (112, 112), (380, 90), (640, 33)])
def test_scratches(size):
    "All photos at once, as one after the other: also where strokes cross and leave the photo"
    L = 100*torch.rand(6,1,*size)
    for seed in range(20):
        damage = torch.randint(0, 7, (6,), generator=torch.Generator().manual_seed(seed)).tolist()
        assert torch.equal(scratched(L, damage, seed), torch.stack([drawn_by_hand(o, n, seed + i) for i, (o, n) in enumerate(zip(L, damage))]))
    assert torch.equal(scratched(L, 4, 9), drawn_by_hand(L, 4, 9)) and torch.equal(scratched(L[0].double(), 4), drawn_by_hand(L[0].double(), 4, 0))
    assert torch.equal(scratched(L, [0]*6), L) and torch.equal(scratched(L, 0), L)

def test_prints_do_not_wait(gpu):
    rgb = torch.rand(5,3,48,40)
    there = rgb.to('cuda:0')
    gpu.waits.clear()
    prints = aged(there, 3)
    assert not gpu.waits and torch.equal(prints.cpu(), aged(rgb, 3))

@pytest.mark.parametrize('min_scale', [0., .7])
def test_batches_do_not_wait(gpu, min_scale):
    scenes = toy_scenes(24, size=40, seed=3)
    kw = dict(bs=8, size=32, seed=4, min_scale=min_scale)
    there, here = photo_dataloaders(scenes, scenes, device='cuda:0', **kw), photo_dataloaders(scenes, scenes, **kw)
    assert isinstance(there.train.cache.photos, Card)
    for side in ('train', 'valid'):
        gpu.waits.clear()
        found = list(getattr(there, side))
        assert not gpu.waits and len(found) == 3
        for (lab, label), (lab_here, label_here) in zip(found, getattr(here, side), strict=True):
            assert torch.allclose(lab.cpu(), lab_here, atol=1e-3) and torch.equal(label.cpu(), label_here)

@pytest.mark.parametrize('space', ['lab', 'yuv', 'rgb'])
def test_a_step_does_not_wait(gpu, space):
    "From the batch, some of it as old prints, to the loss, which are the same as on the CPU"
    scenes, losses = toy_scenes(8, size=40, seed=3), {}
    for device in ('cuda:0', 'cpu'):
        torch.manual_seed(0)
        model = build_model(ModelConfig(width=.125, n_classes=2, global_size=32, color_space=space)).to(device)
        dls, loss = photo_dataloaders(scenes, scenes, bs=8, size=32, device=device), JointLoss(color_loss=model.space.loss)
        lab, label = dls.one_batch()
        learn = SimpleNamespace(dls=dls, training=True, iter=0, xb=(lab,), yb=(label,), x=lab)
        learn.in_color_space, prints = InColorSpace(model.space), Aged(.5)
        gpu.waits.clear()
        for cb in (learn.in_color_space, prints): cb.learn = learn; cb.before_batch()
        with torch.no_grad(): losses[device] = loss(model(*learn.xb), *learn.yb)
        assert not gpu.waits
    assert torch.allclose(losses['cuda:0'].cpu(), losses['cpu'], rtol=1e-5)

toy = Recipe(ModelConfig(width=.125), epochs=2, bs=8, size=32, opt='adamw', lr=1e-2, wd=.05, schedule='cosine', ema=.9, aged=.3, bf16=False, seed=3)

def test_resumed_on_a_gpu(tmp_path):
    "What the optimiser knows lies beside the weights, wherever the checkpoint was written"
    scenes = toy_scenes(16, size=40)
    learn = colorizer_learner(scenes, scenes, toy, device='cpu')
    with learn.no_bar(), learn.no_logging(): learn.fit(1, cbs=RunFolder(tmp_path))
    with pretended(), PretendGPU():
        there = colorizer_learner(scenes, scenes, toy, device=0)
        RunFolder(tmp_path).load(there)
        state = [t for o in there.opt.opt.state.values() for k, t in o.items() if k != 'step']
        assert state and all(isinstance(o, Card) for o in [*there.model.parameters(), *state])
        suit_device(there.opt.opt, True, True)
        assert all(isinstance(o['step'], Card) for o in there.opt.opt.state.values())
        assert all(g['capturable'] and g['fused'] for g in there.opt.opt.param_groups)

# Recorded steps

class Rounded(Callback):
    "The learning rate in 32 bits, as a graph reads it; and the fused optimiser of a GPU"
    order = 102
    def before_fit(self): suit_device(self.opt.opt, False, True)
    def before_batch(self): self.opt.set_hyper('lr', torch.tensor(float(self.opt.hypers[0]['lr'])).item())

def run(recipe=toy, cbs=(), paper=None, fit=None, drop_last=True):
    scenes = toy_scenes(36, size=40, seed=1)
    learn = colorizer_learner(scenes, toy_scenes(8, size=40, seed=2), recipe, device='cpu')
    learn.remove_cb(StepGraph)
    learn.dls.train.drop_last = drop_last
    with learn.no_bar(), learn.no_logging():
        (fit or (lambda o, cbs: o.fit(recipe.epochs, cbs=cbs)))(learn, [Rounded(), *cbs, *([paper] if paper else [])])
    return learn

def same(a, b):
    "The same weights, average, batch norm and losses, to the last bit"
    one, two = (learn.model.state_dict() for learn in (a, b))
    losses = [[float(o) for o in learn.recorder.losses] for learn in (a, b)]
    return losses[0] == losses[1] and all(torch.equal(one[k], two[k]) for k in one)

def paper(said=None, **kw): return StepGraph((said if said is not None else []).append, kw.get('kind', PaperGraph))

@pytest.mark.parametrize('recipe', [toy, replace(toy, aged=0, ema=0, schedule='constant', min_scale=.8), replace(toy, alpha=0),
    replace(toy, model=ModelConfig(width=.125, color_space='yuv', norm=False)), replace(toy, model=ModelConfig(width=.125, network='unet', use_global=False)),
    replace(toy, model=ModelConfig(width=.125, network='zhang', use_global=False)), replace(toy, use_color=False)], ids=['all', 'plain', 'colour', 'yuv', 'unet', 'zhang', 'scenes'])
def test_the_same_steps(recipe):
    said = []
    graph = paper(said)
    replayed = run(recipe, paper=graph)
    assert same(run(recipe), replayed) and graph.steps == 8 and not said

def test_replayed_indeed(monkeypatch):
    "After three steps fastai is asked once more, to be recorded, and then no more"
    asked, graph = [], paper()
    class Ask(Callback):
        in_graph = True
        def after_pred(self): asked.append(self.training)
    run(cbs=[Ask()], paper=graph)
    assert sum(asked) == 4 and graph.steps == 8 and asked.count(False) == 2

def test_odd_batches():
    "The last batch of an epoch is smaller: it is not for the graph, and is learnt from all the same"
    graph = paper()
    assert same(run(drop_last=False), run(paper=graph, drop_last=False)) and graph.steps == 8

class Freezes(Callback):
    def before_batch(self):
        if self.training and self.train_iter == 5: self.model.low_level.requires_grad_(False)

class Broken(PaperGraph):
    def record(self, f): raise RuntimeError('no room\nand more')

@pytest.mark.parametrize('why, cbs, kind, fit', [('gradient_clip acts within the step', [GradientClip], PaperGraph, None), ('settings of the network', [Freezes], PaperGraph, None),
    ('settings of the network', [], PaperGraph, lambda o, cbs: o.fit_one_cycle(2, cbs=cbs)), (r'that failed \(no room\)', [], Broken, None)], ids=['foreign', 'frozen', 'momentum', 'failed'])
def test_goes_on_without(why, cbs, kind, fit):
    "Where a graph would be wrong, or cannot be had, the run is the ordinary one, and one line says why"
    said = []
    graph, recipe = paper(said, kind=kind), replace(toy, schedule='constant')
    other = run(recipe, [o() for o in cbs], graph, fit)
    assert same(run(recipe, [o() for o in cbs], fit=fit), other)
    if 'gradient' not in why: assert len(said) == 1 and re.search(why, said[0])
    else: assert not said and graph.why == why  # on a GPU it would be said

def test_questions_are_found():
    "An optimiser that asks for a number: Adadelta, unless it is told to be capturable, as on a GPU"
    said = []
    learn = run(replace(toy, opt='adadelta', lr=1.), paper=paper(said))
    assert len(said) == 1 and 'local_scalar' in said[0] and np.isfinite(float(learn.recorder.losses[-1]))

def test_what_hinders():
    learn = run(replace(toy, epochs=1))
    assert hindrance(learn) == 'cpu records nothing' and hindrance(learn, 'cpu') == ''
    learn.model = torch.nn.parallel.DistributedDataParallel.__new__(torch.nn.parallel.DistributedDataParallel)
    assert 'processes' in hindrance(learn, 'cpu')

def test_stopped_and_resumed(tmp_path, monkeypatch):
    "With recorded steps, too, a run that was cut off ends with the weights of one that was not; also on a machine that records nothing"
    class Cut(Callback):
        def after_batch(self):
            if self.training and self.train_iter == 6: raise InterruptedError('cut')
    scenes = toy_scenes(32, size=40, seed=1)
    def go(name, **kw): return train_colorizer(scenes, scenes, tmp_path/name, replace(toy, epochs=3), device='cpu', seconds=0, verbose=False, **kw)
    with monkeypatch.context() as m:
        m.setattr(training, 'StepGraph', partial(StepGraph, kind=PaperGraph))
        whole = go('whole')
        for name in ('cut', 'elsewhere'):
            with pytest.raises(InterruptedError): go(name, cbs=[Cut()])
        again = go('cut', resume=True)
        assert whole.step_graph.steps == 12 and again.step_graph.steps == 7  # the sixth had not been written
        assert all(torch.equal(a, b) for a, b in zip(whole.model.state_dict().values(), again.model.state_dict().values()))
        losses = [[row.split(',')[2] for row in (tmp_path/o/'history.csv').read_text().splitlines()] for o in ('whole', 'cut')]
        assert losses[0] == losses[1]
    f = tmp_path/'elsewhere/checkpoint.pt'
    state = torch.load(f, weights_only=True)
    for g in state['opt']['param_groups']: g['capturable'] = True  # as a GPU writes it
    torch.save(state, f)
    plain = go('elsewhere', resume=True)
    assert not plain.step_graph.steps and not any(g['capturable'] or g['fused'] for g in plain.opt.opt.param_groups)
    for a, b in zip(whole.model.parameters(), plain.model.parameters()): assert torch.allclose(a, b, atol=2e-3)

def test_orders_to_cuda(monkeypatch):
    "On the stream that records: the steps before; then recorded, and replayed once"
    told = []
    class Stream:
        def __init__(self, device, name='side'): self.device, self.name = device, name
        def wait_stream(self, other): told.append(f'{self.name} waits for {other.name}')
    class Graph:
        def replay(self): told.append('replay')
    def within(what): return contextlib.nullcontext(told.append(what))
    fake = dict(Stream=Stream, current_stream=lambda device: Stream(device, 'main'), stream=lambda s: within(f'on {s.name}'), CUDAGraph=Graph, graph=lambda g, stream: within(f'recorded on {stream.name}'))
    for k, v in fake.items(): monkeypatch.setattr(torch.cuda, k, v)
    g = CudaGraph('cuda:1')
    assert g.side.device == 'cuda:1'
    g.run(lambda: told.append('step'))
    again = g.record(lambda: told.append('step'))
    again()
    assert told == ['side waits for main', 'on side', 'step', 'main waits for side', 'recorded on side', 'step', 'replay', 'replay']

# A network that workers share

@pytest.fixture(scope='module')
def album(tmp_path_factory):
    folder = tmp_path_factory.mktemp('album')
    for i, (name, p) in enumerate(sample_photos().items()): p.resize((120, 80) if i % 2 else (90, 110)).convert('L').save(folder/f'{name}.png')
    pages = [sample_photos()[o].resize((70, 50)).convert('L') for o in ('china', 'coffee', 'rocket')]
    pages[0].save(folder/'pages.tif', save_all=True, append_images=pages[1:])
    (folder/'broken.jpg').write_bytes(b'')
    return folder

linux = pytest.mark.skipif(sys.platform != 'linux', reason='workers are processes on Linux only')

def alone_again(threads):
    "Do no more threads than these run, now or soon?"
    end = time.monotonic() + PATIENCE
    while threading.active_count() > threads and time.monotonic() < end: time.sleep(.01)
    return threading.active_count() <= threads

@linux
def test_workers_share_a_network(tmp_path, album):
    "Every photo and every page is painted by the parent, and comes out as it does alone"
    colorizer, seen, threads = Colorizer.from_pretrained('tiny'), [], threading.active_count()
    def coloured(name, c, **kw):
        done = list(colorize_files(c, plan_results(album, tmp_path/name), **kw))
        assert [o.photo.name for o in done if o.error] == ['broken.jpg']
        return {p.name: [np.asarray((im.seek(i), im.convert('RGB'))[1]) for i in range(getattr(im, 'n_frames', 1))] for p in (tmp_path/name).iterdir() for im in [Image.open(p)]}
    alone = coloured('alone', colorizer, processes=False)
    plain = colorizer.predict
    colorizer.predict = lambda copies: seen.append(len(copies)) or plain(copies)
    shared = coloured('shared', colorizer, processes=True, batch=3)
    n = len(alone)
    assert sum(seen) == n + 2 and len(alone['pages.tif']) == 3 and alone.keys() == shared.keys()
    for k in alone:
        for a, b in zip(alone[k], shared[k], strict=True): assert np.abs(a.astype(int) - b).max() <= 1
    assert not active_children() and alone_again(threads)

@linux
def test_trouble_in_a_shared_network(tmp_path, album):
    "An error of the network becomes the error of each photo; a killed worker ends the run, and all others with it"
    colorizer, threads = Colorizer.from_pretrained('tiny'), threading.active_count()
    colorizer.predict = lambda copies: 1/0
    done = list(colorize_files(colorizer, plan_results(album, tmp_path/'a'), processes=True, batch=2))
    assert {o.error for o in done if o.photo.name != 'broken.jpg'} == {'division by zero'}
    del colorizer.predict
    with pytest.raises(ChildProcessError, match='killed a worker'):
        for _ in colorize_files(colorizer, plan_results(album, tmp_path/'b'), processes=True, batch=2): active_children()[0].kill()
    assert not active_children() and alone_again(threads)

@linux
def test_a_gpu_is_shared(monkeypatch, tmp_path):
    "On a GPU workers are forked and ask their parent; at full size, where they would need the GPU themselves, they are threads"
    from letthere_color import workers
    monkeypatch.setattr(workers, 'may_fork', lambda: True)
    on_gpu = SimpleNamespace(parameters=lambda: iter([SimpleNamespace(device=torch.device('cuda:0'))]))
    for size, forked in ((176, True), ('full', False)):
        worker, n, processes, shared = workers.crew(SimpleNamespace(model=on_gpu, size=size, predict=None), None, None, True)
        assert bool(processes) == bool(shared) == forked and n == 7 + workers.num_cpus() and (worker.predict is shared) == forked
        if shared: shared.end()

# On a machine with a GPU

def test_gpu_check_trains():
    "The script that is run there, its quickest part; all of it is slow"
    script = runpy.run_path(str(here.parent/'benchmarks/gpu_check.py'))
    found = script['training'](torch.device('cpu'), True)
    assert found['ordinary']['loss'] == found['recorded']['loss'] and found['weights_apart'] == 0

@pytest.mark.slow
def test_gpu_check(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['gpu_check.py', '--quick', '--json', str(tmp_path/'r.json')])
    with pytest.raises(SystemExit) as e: runpy.run_path(str(here.parent/'benchmarks/gpu_check.py'), run_name='__main__')
    assert not e.value.code and (tmp_path/'r.json').exists()
