"""Runs that are killed, stopped, and shared by two processes; what fastai expects of a Learner; what training must leave alone."""
import copy, csv, json, os, signal, subprocess, sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np, pytest, torch
from safetensors.torch import load_file
from fastai.learner import Callback, load_learner
from letthere_color.core import sample_photos
from letthere_color.batches import PhotoBatches, toy_scenes
from letthere_color.colorization import ModelConfig
from letthere_color.models import build_model
from letthere_color.training import Bf16, colorizer_learner, JointLoss, Recipe, RECIPES
from letthere_color.runs import load_recipe, RunFolder, train_colorizer

from helpers import ended, hear, killed_at_call, n_calls, PATIENCE, seeded, start
from toy_run import toy_run

here = Path(__file__).parent

@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp('undisturbed')/'run'
    toy_run(folder)
    return folder

def weights(run): return load_file(run/'model/model.safetensors')

def same(a, b, atol=0): return all(torch.allclose(a[k].float(), b[k].float(), rtol=0, atol=atol) for k in a) and a.keys() == b.keys()

def position(run):
    "Batches done at the last checkpoint, which must be readable, as must be all else in the folder"
    if (run/'recipe.json').exists(): json.loads((run/'recipe.json').read_text())
    if (run/'history.csv').exists(): assert len({len(row) for row in csv.reader((run/'history.csv').open())}) == 1
    if not (run/'checkpoint.pt').exists(): return 0
    state = torch.load(run/'checkpoint.pt', weights_only=True)
    return state['epoch']*6 + state['batch']

def test_killed_ten_times(tmp_path):
    "The result is as if nothing had happened, and nothing else is left"
    whole, run, rng, done = tmp_path/'whole', tmp_path/'run', seeded('training'), 0
    some = n_calls(toy_run, whole, epochs=4, seconds=0)//8  # a checkpoint after each batch
    for i in range(10):
        p = start(killed_at_call, rng.randrange(some) + some*(i == 0), toy_run, run, epochs=4, resume=True, seconds=0)
        assert ended(p) == -signal.SIGKILL
        before, done = done, position(run)
        assert done >= before
    assert done > 0
    p = start(toy_run, run, epochs=4, resume=True)
    assert ended(p) == 0 and same(weights(run), weights(whole))
    assert len((run/'history.csv').read_text().splitlines()) == 5
    def names(folder): return {p.relative_to(folder) for p in folder.rglob('*')}
    assert names(run) == names(whole)

def test_stopped_keeps_what_was_learnt(tmp_path, undisturbed):
    run = tmp_path/'run'
    p = start(toy_run, run, held=True)  # checkpoints each minute: none would be due
    assert hear(p) == 'learning'
    before = position(run)
    p.terminate(); p.conn.send('go on')
    assert ended(p) not in (0, -signal.SIGTERM) and (before, position(run)) == (6, 8)  # an epoch, and two batches more
    p = start(toy_run, run, resume=True)
    assert ended(p) == 0 and same(weights(run), weights(undisturbed))

def test_two_processes_match_one(tmp_path, undisturbed):
    launch = [sys.executable, '-m', 'accelerate.commands.launch', '--multi_gpu', '--num_processes', '2', '--num_machines', '1', '--mixed_precision', 'no',
              '--dynamo_backend', 'no', '--main_process_port', '0']
    r = subprocess.run([*launch, here/'toy_run.py', tmp_path/'run'], capture_output=True, text=True, cwd=here, timeout=PATIENCE,
                       env={**os.environ, 'CUDA_VISIBLE_DEVICES': ''})
    assert r.returncode == 0, r.stderr
    assert 'process 2 of 2' in r.stdout, r.stdout
    assert same(weights(tmp_path/'run'), weights(undisturbed), atol=1e-2)  # AdamW enlarges rounding; gradients that are not averaged end 0.03 apart
    first = [(o/'history.csv').read_text().splitlines()[1] for o in (tmp_path/'run', undisturbed)]
    assert first[0] == first[1]

@pytest.mark.parametrize('event', ['before_batch', 'after_pred'])
@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
def test_bfloat16_ends_with_a_batch_that_fails(event, error):
    def fail(self): raise error('mine')
    few = Recipe(ModelConfig(width=.125), epochs=1, bs=8, size=32, opt='adamw', bf16=False)
    learn = colorizer_learner(toy_scenes(16, size=32), None, few, device='cpu')
    failing = Callback(**{event: fail})
    failing.order = dict(before_batch=99, after_pred=12)[event]  # where bfloat16 is on
    learn.add_cbs([Bf16(), failing])
    with pytest.raises(error), learn.no_bar(), learn.no_logging(): learn.fit(1)
    assert not torch.is_autocast_enabled('cpu') and (torch.ones(2, 2)@torch.ones(2, 2)).dtype == torch.float32

@pytest.mark.parametrize('wrong, says', [(dict(epochs=0), 'epochs is 0'), (dict(bs=1.5), 'bs is 1.5'), (dict(seed=-1), 'seed is -1'), (dict(min_scale=3), 'min_scale is 3'),
    (dict(aged=-1), 'aged is -1'), (dict(lr=float('nan')), 'lr is nan'), (dict(wd='x'), "wd is 'x'"), (dict(use_color=False, alpha=0.), 'nothing to learn')])
def test_recipes_that_make_no_sense(wrong, says):
    with pytest.raises(ValueError, match=says): Recipe(**wrong)

def test_validation_teaches_nothing(tmp_path):
    "The average of the weights, batch norm's included, is the same whatever the validation photos are; one photo is enough"
    few = Recipe(ModelConfig(width=.125), epochs=2, bs=8, size=32, opt='adamw', lr=1e-3, ema=.9, bf16=False)
    def run(name, valid): return train_colorizer(toy_scenes(16, size=32), valid, tmp_path/name, few, device='cpu', verbose=False).model.state_dict()
    a, b = run('a', toy_scenes(9, size=32, seed=1)), run('b', toy_scenes(1, size=32, seed=2))
    assert all(torch.equal(a[k], b[k]) for k in a)

@pytest.mark.skipif(sys.platform == 'win32', reason='folders cannot be locked')
def test_one_run_at_a_time(tmp_path):
    from letthere_color.files import lock_file
    scenes, few = toy_scenes(16, size=32), Recipe(ModelConfig(width=.125), epochs=1, bs=8, size=32)
    other = os.open(tmp_path, os.O_RDONLY); lock_file(other)
    with pytest.raises(ValueError, match='another process trains there'): train_colorizer(scenes, scenes, tmp_path, few, device='cpu', verbose=False, resume=True)
    os.close(other)
    train_colorizer(scenes, scenes, tmp_path, few, device='cpu', verbose=False, resume=True)
    assert not (tmp_path/'run.lock').exists()

def test_full_disk(tmp_path, monkeypatch):
    "The last checkpoint stays, and nothing else"
    learn = colorizer_learner(toy_scenes(16, size=32), toy_scenes(8, size=32), toy, device='cpu')
    run = RunFolder(tmp_path)
    with learn.no_bar(), learn.no_logging(): learn.fit(1, cbs=run)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    def full(state, f): f.write(b'half of it'); raise OSError(28, 'No space left on device')
    monkeypatch.setattr(torch, 'save', full)
    run.learn = learn
    with pytest.raises(OSError, match='No space'): run.save(1, 1)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before and 'checkpoint.pt' in before

def test_older_runs(tmp_path):
    "Settings were flat before there was `Recipe.model`; such a run goes on, and other settings are named"
    recipe, scenes = replace(toy, epochs=1), toy_scenes(16, size=32)
    def run(r): return train_colorizer(scenes, scenes, tmp_path, r, device='cpu', verbose=False, resume=True)
    run(recipe)
    settings = json.loads((tmp_path/'recipe.json').read_text())
    assert settings['model']['width'] == .125
    old = dict(width=.125, use_global=True, color_space='lab', norm=True, network='ours', start_size=0)
    (tmp_path/'recipe.json').write_text(json.dumps({k: v for k,v in settings.items() if k != 'model'} | old))
    assert load_recipe(tmp_path) == recipe
    run(recipe)
    with pytest.raises(ValueError, match=r'other settings \(width 0.125\)'): run(replace(recipe, model=ModelConfig(width=.25)))

# What fastai expects

toy = Recipe(ModelConfig(width=.125), epochs=2, bs=8, size=32, opt='adamw', lr=1e-3, schedule='cosine', ema=.9, bf16=False, seed=3)
unet = replace(toy, model=ModelConfig(width=.125, network='unet', use_global=False)) # Its scores are None

@pytest.fixture(scope='module', params=['ours', 'unet', 'yuv'])
def learn(request):
    from letthere_color import rivals  # noqa: F401 - makes its networks known
    recipe = dict(ours=toy, unet=unet, yuv=replace(toy, model=ModelConfig(width=.125, color_space='yuv')))[request.param]
    learn = colorizer_learner(toy_scenes(24, size=40, seed=1), toy_scenes(12, size=40, seed=2), recipe, device='cpu')
    learn.scores = 0 if request.param == 'unet' else 2
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
        yield learn

@pytest.fixture
def shown(monkeypatch):
    "The pictures that were shown"
    photos = []
    monkeypatch.setitem(PhotoBatches.show_batch.__globals__, 'show_photos', lambda ps, *a, **kw: photos.extend(ps))
    return photos

def predicted(learn, dl):
    "By hand, batch by batch: a and b in CIE units"
    space = learn.model.space
    with torch.no_grad(): return torch.cat([space.decode(x, learn.model.eval()(x)[0])[:,1:] for x in (space.encode(lab)[0] for lab, _ in dl)])

def test_get_preds(learn):
    (ab, scores), (true, label) = learn.get_preds()
    assert torch.allclose(ab, predicted(learn, learn.dls.valid), atol=1e-3) and scores.shape == (12, learn.scores)
    assert torch.equal(true, torch.cat([lab[:,1:] for lab, _ in learn.dls.valid])) and label.tolist() == toy_scenes(12, size=40, seed=2).labels.tolist()
    if learn.scores: assert torch.allclose(scores.sum(1), torch.ones(12))
    (ab, scores), _ = learn.get_preds(ds_idx=0)
    assert len(ab) == 24 and ab.isfinite().all()

def test_photos_of_ones_own(learn, tmp_path):
    photos = [sample_photos()['china'], np.asarray(sample_photos()['coffee'])]
    photos[0].save(tmp_path/'china.png')
    dl = learn.dls.test_dl([*photos, tmp_path/'china.png'])
    (ab, scores), (_, label) = learn.get_preds(dl=dl)
    assert ab.shape == (3, 2, 32, 32) and label.tolist() == [-1]*3
    assert torch.allclose(ab[0], ab[2], atol=1e-3) and not torch.allclose(ab[0], ab[1], atol=1)
    (painted, scene), *_ = learn.predict(photos[0])
    assert torch.allclose(painted, ab[0], atol=1e-3)
    assert not learn.scores or scene == scores[0].argmax()

def test_validate(learn):
    loss, *values = learn.validate()
    named = dict(zip(learn.recorder.metric_names[2:], [loss, *values]))
    assert len(values) == (7 if learn.scores else 5) and all(np.isfinite(values))
    (ab, _), (true, _) = learn.get_preds()
    assert abs(named['color_error'] - (ab - true).norm(dim=1).mean().item()) < 1e-3

def test_shows(learn, shown):
    learn.dls.show_batch(max_n=3)
    assert [tuple(o.shape) for o in shown] == [(3, 32, 32)]*3
    learn.show_results(max_n=4)
    assert tuple(shown[-1].shape) == (3, 3*32, 4*32)
    lab, _ = next(iter(learn.dls.valid.new(shuffle=True)))
    truth = shown[-1][:, 64:, :32]
    from letthere_color.core import lab2rgb
    assert torch.allclose(truth, lab2rgb(lab[0]), atol=1e-3)

@pytest.mark.filterwarnings('ignore:load_learner')
def test_export(learn, tmp_path):
    learn.path = tmp_path
    before, _ = learn.get_preds()
    learn.export('it.pkl')
    assert len(learn.dls.train.dataset) == 24  # still there
    again = load_learner(tmp_path/'it.pkl')
    assert not len(again.dls.train.cache) and not len(again.dls.valid.cache)  # the photos have stayed at home
    dl = again.dls.test_dl(learn.dls.valid.cache)
    with again.no_bar(), again.no_logging(): after, _ = again.get_preds(dl=dl)
    assert all(torch.equal(a, b) for a, b in zip(before, after))

def test_other_weights(learn):
    "The moving average belongs to the fit: weights that are loaded later are the ones that are judged"
    was = copy.deepcopy(learn.model.state_dict())
    for p in learn.model.parameters(): p.data.zero_()
    (ab, _), _ = learn.get_preds()
    assert not any(p.any() for p in learn.model.parameters())
    learn.model.load_state_dict(was)
    assert not torch.allclose(ab, learn.get_preds()[0][0], atol=1e-3)

def test_ended_before_it_was_saved(tmp_path):
    "Killed after the last epoch: what is resumed ends with the average of the weights, as it would have"
    def run(): return train_colorizer(toy_scenes(16, size=32), toy_scenes(8, size=32), tmp_path, toy, device='cpu', verbose=False, resume=True)
    first = run().model.state_dict()
    assert all(torch.equal(a, b) for a, b in zip(first.values(), run().model.state_dict().values()))
    last = torch.load(tmp_path/'checkpoint.pt', weights_only=True)['model']
    assert any(not torch.equal(a, b) for a, b in zip(first.values(), last.values()))

def test_no_scene_is_known():
    "Validation photos without classes: no accuracy, and no error"
    valid = replace(toy_scenes(4, size=40), labels=torch.full((4,), -1))
    learn = colorizer_learner(toy_scenes(16, size=40), valid, toy, device='cpu')
    with learn.no_bar(), learn.no_logging(): learn.fit(1)
    assert np.isnan(learn.recorder.values[-1][-1]) and np.isfinite(learn.recorder.values[-1][1])

# What training leaves alone

def test_leaves_no_trace(monkeypatch):
    "A learner changes neither the allocator, nor cuDNN, nor the random numbers of its caller"
    from letthere_color import fast_lab
    monkeypatch.setattr(fast_lab, '_glibc', lambda name: pytest.fail(f'{name} was called'))
    torch.manual_seed(7)
    before, benchmark = torch.get_rng_state(), torch.backends.cudnn.benchmark
    one = colorizer_learner(toy_scenes(16, size=40), None, toy, device='cpu')
    assert torch.equal(torch.get_rng_state(), before) and torch.backends.cudnn.benchmark == benchmark
    torch.manual_seed(toy.seed)
    by_hand = build_model(one.model.config)  # and yet the weights are those of its seed
    assert all(torch.equal(a, b) for a, b in zip(one.model.state_dict().values(), by_hand.state_dict().values()))

def test_loss_keeps_nothing():
    loss = JointLoss()
    answer, scores = torch.rand(2,2,4,4, requires_grad=True), torch.randn(2,3, requires_grad=True)
    loss((answer, scores), torch.rand(2,2,8,8), torch.tensor([0,1])).backward()
    copy.deepcopy(loss)
    assert not [k for k,v in vars(loss).items() if torch.is_tensor(v)]

def test_recipes_are_frozen():
    with pytest.raises(FrozenInstanceError): RECIPES['small'].epochs = 1
    assert RECIPES['small'].model is not RECIPES['tiny'].model and RECIPES['small'].model.width == .5

@pytest.mark.parametrize('wrong', [dict(opt='adam'), dict(schedule='x')])
def test_wrong_recipes(wrong):
    with pytest.raises(ValueError, match=f'No {[*wrong][0]} .*{[*wrong.values()][0]}'): Recipe(**wrong)

def test_wrong_width():
    with pytest.raises(ValueError, match='width is -1'): ModelConfig(width=-1)
