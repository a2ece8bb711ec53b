"""Runs that are killed, stopped, and shared by two processes."""
import csv, json, os, random, subprocess, sys, time
from multiprocessing import get_context
from pathlib import Path

import pytest, torch
from safetensors.torch import load_file

from toy_run import toy_run

here = Path(__file__).parent

@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp('undisturbed')/'run'
    toy_run(folder)
    return folder

@pytest.fixture(scope='module')
def start():
    "Starts `toy_run` in a process of its own, at once: a server has imported everything already"
    ctx = get_context('forkserver')
    ctx.set_forkserver_preload(['toy_run'])
    def run(folder, **kw):
        p = ctx.Process(target=toy_run, args=(folder,), kwargs=kw)
        p.start()
        return p
    return run

def weights(run): return load_file(run/'model/model.safetensors')

def same(a, b, atol=0): return all(torch.allclose(a[k].float(), b[k].float(), rtol=0, atol=atol) for k in a) and a.keys() == b.keys()

def position(run):
    "Batches done at the last checkpoint, which must be readable, as must be all else in the folder"
    if (run/'recipe.json').exists(): json.loads((run/'recipe.json').read_text())
    if (run/'history.csv').exists(): assert len({len(row) for row in csv.reader((run/'history.csv').open())}) == 1
    if not (run/'checkpoint.pt').exists(): return 0
    state = torch.load(run/'checkpoint.pt', weights_only=True)
    return state['epoch']*6 + state['batch']

def test_killed_ten_times(tmp_path, start, undisturbed):
    run, rng, done = tmp_path/'run', random.Random(), 0
    for _ in range(10):
        p = start(run, resume=True, seconds=0)
        time.sleep(rng.uniform(.1, 1.2))
        p.kill(); p.join()
        before, done = done, position(run)
        assert done >= before
    p = start(run, resume=True); p.join()
    assert p.exitcode == 0 and same(weights(run), weights(undisturbed))
    assert len((run/'history.csv').read_text().splitlines()) == 11

def test_stopped_keeps_what_was_learnt(tmp_path, start, undisturbed):
    run = tmp_path/'run'
    p = start(run)  # checkpoints each minute: none would be due
    while not (run/'recipe.json').exists(): time.sleep(.01)
    time.sleep(1); p.terminate(); p.join()
    assert p.exitcode != 0 and position(run) > 0
    p = start(run, resume=True); p.join()
    assert p.exitcode == 0 and same(weights(run), weights(undisturbed))

def test_two_processes_match_one(tmp_path, undisturbed):
    launch = [sys.executable, '-m', 'accelerate.commands.launch', '--multi_gpu', '--num_processes', '2', '--num_machines', '1', '--mixed_precision', 'no',
              '--dynamo_backend', 'no', '--main_process_port', '0']
    r = subprocess.run([*launch, here/'toy_run.py', tmp_path/'run'], capture_output=True, text=True, cwd=here,
                       env={**os.environ, 'CUDA_VISIBLE_DEVICES': ''})
    assert r.returncode == 0, r.stderr
    assert 'process 2 of 2' in r.stdout, r.stdout
    assert same(weights(tmp_path/'run'), weights(undisturbed), atol=1e-2)  # AdamW enlarges rounding; gradients that are not averaged end 0.03 apart
    first = [(o/'history.csv').read_text().splitlines()[1] for o in (tmp_path/'run', undisturbed)]
    assert first[0] == first[1]

def test_validation_teaches_nothing(tmp_path):
    "The average of the weights, batch norm's included, is the same whatever the validation photos are; one photo is enough"
    from letthere_color.batches import toy_scenes
    from letthere_color.training import Recipe
    from letthere_color.runs import train_colorizer
    few = Recipe(width=.125, epochs=2, bs=8, size=32, opt='adamw', lr=1e-3, ema=.9, bf16=False)
    def run(name, valid): return train_colorizer(toy_scenes(16, size=32), valid, tmp_path/name, few, device='cpu', verbose=False).model.state_dict()
    a, b = run('a', toy_scenes(9, size=32, seed=1)), run('b', toy_scenes(1, size=32, seed=2))
    assert all(torch.equal(a[k], b[k]) for k in a)

@pytest.mark.skipif(sys.platform == 'win32', reason='folders cannot be locked')
def test_one_run_at_a_time(tmp_path):
    from letthere_color.batches import toy_scenes
    from letthere_color.files import lock_file
    from letthere_color.training import Recipe
    from letthere_color.runs import train_colorizer
    scenes, few = toy_scenes(16, size=32), Recipe(width=.125, epochs=1, bs=8, size=32)
    other = os.open(tmp_path, os.O_RDONLY); lock_file(other)
    with pytest.raises(ValueError, match='another process trains there'): train_colorizer(scenes, scenes, tmp_path, few, device='cpu', verbose=False, resume=True)
    os.close(other)
    train_colorizer(scenes, scenes, tmp_path, few, device='cpu', verbose=False, resume=True)
    assert not (tmp_path/'run.lock').exists()
