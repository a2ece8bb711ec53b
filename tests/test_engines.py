"Every engine gives the plain network's colours, and the choice between them is made once, by time alone, and never in the way."
import copy, json, subprocess, sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import numpy as np, pytest, torch
from torch import nn
from typer.testing import CliRunner
import test_fast
from letthere_color import choice
from letthere_color.choice import (candidates, Choice, choose, ENGINES, exact_biases, fast_model, mixed_model, probe, unusable,
                                   with_engine)
from letthere_color.colorization import Colorization, predict_ab
from letthere_color.core import photo2tensor, rgb2l, sample_photos
from letthere_color.engines import FastColorization
from letthere_color.evaluation import ciede2000
from letthere_color.fast import lean_model
from letthere_color.inference import Colorizer
from letthere_color.photo_files import read_photo
from letthere_color.small_copy import look_around, paint, tiled_chroma
from letthere_color.models import load_model

HERE = [o for o in ENGINES[1:] if not (o == 'ncnn' and sys.platform == 'darwin')]
FIRST = HERE[1] if sys.platform != 'darwin' else 'torch'

def installed(engine): return unusable(engine) and pytest.skip(unusable(engine))

def build(**options): return test_fast.build(**options).requires_grad_(False)

@pytest.fixture
def cache(tmp_path, monkeypatch):
    "An empty cache folder, and no engine named by the environment"
    for name in ('LETTHERE_ENGINE', 'LOCALAPPDATA'): monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path/'cache'))
    return tmp_path/'cache/letthere_color'

@pytest.fixture
def probes(monkeypatch):
    "A probe that takes no time; the list of its calls"
    calls = []
    def quick(model, names): calls.append(names); return Choice(names[-1], 'tried', {'plain': 2., names[-1]: 1.})
    monkeypatch.setattr(choice, 'probe', quick)
    return calls

def no_probe(*args): raise AssertionError('nobody asked for a probe')

# ---- the same colours

RAGGED = [(1,8,8), (2,97,131), (3,72,56), (1,33,200)]

KINDS = {}, dict(use_global=False), dict(norm=False, color_space='rgb'), dict(global_size=97)

@pytest.mark.parametrize('engine,options', [(e, o) for e in HERE for o in KINDS[:2 if e == 'onnx' else 4]], ids=str)  # chapter 6h tests ONNX files, which take long to write
@torch.no_grad()
def test_colours_scores_and_styles(engine, options):
    installed(engine)
    model = build(**options)
    fast = with_engine(model, engine)
    assert engine == 'torch' or type(fast.net).__name__ == dict(ncnn='NcnnNet', openvino='VinoNet', onnx='OnnxNet')[engine]
    for shape in RAGGED:
        L = torch.rand(shape[0], 1, *shape[1:], generator=torch.manual_seed(1))
        for a, b in zip(fast(L), model(L)): assert (a is b is None) or torch.allclose(a, b, atol=2e-5)
        if not model.config.use_global: continue
        style = model.encode_global(L)[0][:1]
        assert torch.allclose(fast.encode_global(L)[0][:1], style, atol=2e-4)
        assert torch.allclose(fast(L, style.expand(len(L), -1))[0], model(L, style.expand(len(L), -1))[0], atol=2e-5)

@pytest.mark.parametrize('engine', [o for o in HERE if o != 'torch'])
def test_a_photo_does_not_mind_its_company_nor_threads(engine):
    installed(engine)
    fast, L, threads = with_engine(load_model('tiny'), engine), torch.rand(2, 1, 64, 72), torch.get_num_threads()
    one = fast(L[1:])[0]
    try:
        for n in (1, 2): torch.set_num_threads(n); assert torch.equal(fast(L)[0][1:], one)
    finally: torch.set_num_threads(threads)

def apart(fast, plain, L):
    a, b = (torch.cat([L*100, predict_ab(m, L)], 1).double() for m in (fast, plain))
    return ciede2000(a, b)

@torch.no_grad()
def test_mixed_bfloat16_looks_the_same():
    plain = load_model('tiny')
    mixed, whole = mixed_model(plain), mixed_model(plain)
    first, to = whole.low_level[0]  # the layer that minds
    whole.low_level[0] = nn.Sequential(to, copy.deepcopy(first).to(torch.bfloat16))
    photos = [rgb2l(photo2tensor(p.resize((112,112))))[None]/100 for p in sample_photos().values()]
    off = torch.cat([apart(mixed, plain, L) for L in photos])
    assert off.max() <= 1 and off.mean() <= .05
    assert max(apart(whole, plain, L).max() for L in photos) > 2*off.max()

@pytest.mark.parametrize('options', [{}, dict(use_global=False), dict(fusion_kernel=3), dict(norm=False)], ids=str)
@torch.no_grad()
def test_scaled_biases_lose_nothing(options):
    model, L = build(**options), torch.rand(2, 1, 40, 56)
    model.low_level[2][0].bias[:2] = 0  # a channel without a bias
    scaled = exact_biases(lean_model(model))
    for a, b in zip(scaled(L), model(L)): assert (a is b is None) or torch.allclose(a, b, atol=2e-5)
    for layer in [*scaled.low_level][1:]:
        b = layer[0].bias
        assert torch.allclose(b.bfloat16().float(), b, rtol=1e-6)
    assert torch.allclose(mixed_model(model)(L)[0], model(L)[0], atol=.02)

def test_bfloat16_with_a_style():
    photo = np.random.default_rng(0).integers(0, 255, (72,56,3), dtype=np.uint8)
    def colours(**kw):
        c = Colorizer.from_pretrained('tiny', size=64, style='class:sunset', style_strength=.5, **kw)
        assert next(c.model.mid_level.parameters()).dtype == kw.get('dtype', torch.float32)
        return np.asarray(c(photo)).astype(int)
    assert abs(colours(engine='torch', dtype=torch.bfloat16) - colours(fast=False)).max() <= 4

@pytest.mark.parametrize('engine', ['torch', 'ncnn', 'openvino'])
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
@torch.no_grad()
def test_full_size(engine, dtype):
    "Every engine that may be chosen paints tiles, and they fit together"
    installed(engine)
    if engine == 'openvino' and '_bf16' not in choice.processor(): dtype = 'float32'
    photo = read_photo(sample_photos()['china'].resize((328, 136)))
    fast, plain = (Colorizer.from_pretrained('tiny', size='full', **kw).model for kw in (dict(engine=engine, dtype=dtype), dict(fast=False)))
    assert isinstance(fast, Colorization if engine == 'torch' else FastColorization)
    assert getattr(getattr(fast, 'net', None), 'bf16', dtype == 'bfloat16') == (dtype == 'bfloat16')
    L = photo.lightness(0, 136)
    around = look_around(plain, L/100)
    whole = paint(plain, L/100, around)
    tiles = tiled_chroma(fast, photo, around, 64)(0, 136, L)
    assert (tiles - paint(fast, L/100, around)).abs().max() < (.3 if dtype == 'bfloat16' else .01) and (tiles - whole).norm(dim=1).max() < 1

@pytest.mark.parametrize('engine', ['torch', 'ncnn', 'openvino', 'plain'])
@torch.no_grad()
def test_narrow_copies(engine):
    "oneDNN reads beyond images of a column or two: whatever lay in memory, colours are those of the plain network"
    installed(engine.replace('plain', 'torch'))
    dtype = 'bfloat16' if engine != 'openvino' or '_bf16' in choice.processor() else 'float32'
    plain = load_model('tiny')
    fast = load_model('tiny').bfloat16() if engine == 'plain' else with_engine(plain, engine, dtype)
    for shape in ((1,1,40,8), (2,1,136,8), (1,1,136,3), (1,1,8,136), (1,1,8,8)):
        L, around = torch.rand(shape, generator=torch.manual_seed(0)), look_around(plain, torch.full((1,1,8,8), .5))
        truth = paint(plain, L, around)
        for n in (1_000_003, 3_000_017):
            junk = [torch.full((n*i,), float('nan')) for i in (1, 2)]; del junk  # what is freed is used again
            off = (paint(fast, L, around.to(next(fast.parameters()).dtype)) - truth).norm(dim=1)
            assert off.max() < (15 if engine == 'plain' else 1), shape

def test_kinds_of_numbers():
    for dtype in ('int8', 'bf16', torch.float16, 5):
        with pytest.raises(ValueError, match=f'dtype is {dtype}: give float32 or bfloat16'): Colorizer.from_pretrained('tiny', dtype=dtype)
    assert Colorizer.from_pretrained('tiny', dtype='bfloat16', engine='ncnn').model.net.bf16
    with pytest.raises(ValueError, match="leave engine='ncnn' out"): Colorizer.from_pretrained('tiny', fast=False, engine='ncnn')

# ---- one by name

def test_by_name(cache, monkeypatch):
    monkeypatch.setattr(choice, 'probe', no_probe)
    for engine in HERE:
        if unusable(engine) or engine == 'onnx': continue  # its file takes seconds to write
        model = Colorizer.from_pretrained('tiny', engine=engine).model
        assert isinstance(model, Colorization if engine == 'torch' else FastColorization)

def test_unknown_engine(tmp_path):
    with pytest.raises(ValueError, match="No engine 'abacus': choose one of auto, torch, ncnn, openvino, onnx"): fast_model(build(), 'abacus')
    from letthere_color.cli import app
    r = CliRunner().invoke(app, ['colorize', str(tmp_path/'photo.jpg'), '--engine', 'abacus'])
    assert r.exit_code == 2 and 'abacus' in r.output

@pytest.mark.parametrize('engine, remedy', [('ncnn', 'pip install ncnn'), ('openvino', r'pip install "letthere_color\[openvino\]"'),
                                            ('onnx', r'pip install "letthere_color\[onnx\]"')])
def test_missing_package(engine, remedy, monkeypatch, cache):
    monkeypatch.setattr(choice, 'find_spec', lambda _: None)
    monkeypatch.setattr(sys, 'platform', 'linux')
    with pytest.raises(ImportError, match=remedy): fast_model(build(), engine)
    monkeypatch.setattr(choice, 'probe', no_probe)
    monkeypatch.setattr(choice, 'processor', lambda: 'AMD EPYC (avx2)')
    assert type(fast_model(build())) is Colorization and choose(build()).name == 'torch'
    monkeypatch.setenv('LETTHERE_ENGINE', engine)
    with pytest.raises(ImportError, match=remedy): fast_model(build())

def test_foreign_network(cache, monkeypatch):
    monkeypatch.setattr(choice, 'probe', no_probe)
    model = build()
    model.mid_level[0][2] = nn.GELU().eval()
    assert fast_model(model) is model and fast_model(model, 'torch') is model
    for engine in HERE[1:]:
        if not unusable(engine):
            with pytest.raises(ValueError, match='mid_level.0.2 differs: take torch'): fast_model(model, engine)
    assert next(fast_model(copy.deepcopy(model), dtype=torch.bfloat16).parameters()).dtype == torch.bfloat16

def test_what_an_engine_cannot_run(monkeypatch):
    for engine in ('ncnn', 'openvino'):
        if not unusable(engine):
            with pytest.raises(ValueError, match='fusion_kernel differs'): with_engine(build(fusion_kernel=3), engine)
            with pytest.raises(ValueError, match='in float32'): with_engine(build().to('meta'), engine)
    with pytest.raises(ValueError, match='training mode differs'): fast_model(build().train(), HERE[1])
    monkeypatch.setattr(choice, 'processor', lambda: 'AMD EPYC (avx2)')
    for engine in ('onnx', 'openvino'):
        with pytest.raises(ValueError, match=f'{engine} reckons in float32 here: take torch'): with_engine(build(), engine, 'bfloat16')
    assert candidates(build(fusion_kernel=3), torch.float32) == ['torch']

@pytest.mark.skipif(sys.platform == 'darwin', reason='there is no ncnn')
@pytest.mark.parametrize('change', ['layer', 'part of a layer', 'weight', 'extra'])
@torch.no_grad()
def test_changes_afterwards_are_refused(change):
    fast, L = with_engine(build(), 'ncnn'), torch.rand(1, 1, 16, 16)
    fast(L); copy.deepcopy(fast)(L)
    if change == 'layer': fast.low_level[0] = nn.Identity()
    if change == 'part of a layer': fast.low_level[0][2] = nn.GELU()
    if change == 'weight': fast.mid_level[0][0].weight.mul_(2)
    if change == 'extra': fast.mid_level.append(nn.Identity())
    with pytest.raises(ValueError, match='changed after fast_model'): fast(L)

# ---- the choice

@pytest.fixture
def several(monkeypatch):
    monkeypatch.setattr(choice, 'candidates', lambda model, dtype=None: ['torch', 'torch bfloat16'])
    return ['torch', 'torch bfloat16']

def test_tried_once(cache, probes, several):
    model = build()
    assert [choose(model).name for _ in range(3)] == ['torch bfloat16']*3 and probes == [several]
    file, = cache.iterdir()
    assert json.loads(file.read_text())['name'] == 'torch bfloat16'
    with torch.no_grad(): model.low_level[0][0].weight.mul_(1.1)
    choose(model)
    choose(build(global_size=65))
    assert len(probes) == 3 == len(list(cache.iterdir()))

@pytest.mark.parametrize('text', ['', 'Dear Sir or Madam', '[]', '{}', '{"name": "abacus", "why": "", "ms": {}, "refused": {}}', '\0\xff',
                                  '{"name": "torch", "why": "", "ms": [1], "refused": {}}', '{"name": "torch", "why": "", "ms": {"torch": "?"}, "refused": {}}'])
def test_corrupt_cache(text, cache, probes, several):
    found = choose(build())
    file, = cache.iterdir()
    file.write_bytes(text.encode('latin1'))
    assert choose(build()) == found and len(probes) == 2
    assert choose(build()) == found and len(probes) == 2  # mended

def test_unwritable_cache(tmp_path, cache, probes, several, monkeypatch):
    (tmp_path/'file').write_text('no folder')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path/'file'))
    assert choose(build()).name == 'torch bfloat16' and (tmp_path/'file').read_text() == 'no folder'

def _in_a_worker(_): return choose(build())
def test_a_worker_does_not_try(cache, several, monkeypatch):
    monkeypatch.setattr(choice, 'probe', no_probe)
    with ProcessPoolExecutor(1, get_context('fork')) as pool: assert list(pool.map(_in_a_worker, [0]))[0].name == 'torch'
    assert not cache.exists()

def test_a_folder_run_decides_once(cache, probes, several, tmp_path):
    from letthere_color.folders import colorize_files
    colorizer, photo = Colorizer.from_pretrained('tiny', size=32), sample_photos()['chelsea'].resize((40,30))
    plan = [(tmp_path/f'{i}.png', tmp_path/f'{i}_color.png') for i in range(3)]
    for p, _ in plan: photo.save(p)
    assert len(probes) == 1
    done = list(colorize_files(colorizer, plan, processes=True))
    assert all(o.result.exists() and not o.error for o in done) and len(probes) == len(list(cache.iterdir())) == 1

def test_help_and_version_do_not_try(cache, monkeypatch):
    monkeypatch.setattr(choice, 'probe', no_probe)
    from letthere_color.cli import app
    for args in (['--help'], ['--version'], ['colorize', '--help']): assert CliRunner().invoke(app, args).exit_code == 0
    assert not cache.exists()

def test_info_tells_the_choice(cache, probes, several):
    from letthere_color.cli import app
    r = CliRunner().invoke(app, ['info'])
    assert r.exit_code == 0 and r.output.count('engine: torch bfloat16 (tried; plain PyTorch 2.0 ms, torch bfloat16 1.0 ms)') == 2, r.output
    assert 'engine torch: can be used' in r.output and 'engine onnx: ' in r.output and 'engine ncnn: ' in r.output, r.output

def test_named_by_the_environment(cache, monkeypatch, several):
    monkeypatch.setattr(choice, 'probe', no_probe)
    monkeypatch.setenv('LETTHERE_ENGINE', 'torch')
    assert choose(build()) == Choice('torch', 'LETTHERE_ENGINE names it')
    monkeypatch.setenv('LETTHERE_ENGINE', 'abacus')
    with pytest.raises(ValueError, match="LETTHERE_ENGINE='abacus': set one of"): choose(build())
    from letthere_color.cli import app
    r = CliRunner().invoke(app, ['info'])
    assert isinstance(r.exception, ValueError) and not r.output  # told before anything is printed

@pytest.mark.parametrize('ms, best', [((10, 9.5), 'torch'), ((10, 8.9), 'torch bfloat16'), ((10, 20), 'torch'), ((10, 9.01), 'torch')])
def test_ties_go_to_the_first(ms, best, several, monkeypatch):
    monkeypatch.setattr(choice, 'OFF', 99)  # its weights are random
    monkeypatch.setattr(choice, '_in_turn', lambda nets, L: dict(zip(nets, (30, *ms))))
    found = probe(build(), several)
    assert found.name == best and not found.refused and list(found.ms) == ['plain', *several]

def test_an_engine_that_lies_or_fails_is_refused(several, monkeypatch):
    real, threads = choice.with_engine, torch.get_num_threads()
    torch.set_num_threads(2)
    def other(model, engine, dtype='float32'): return real(build(width=.25) if dtype == 'bfloat16' else model, engine)
    monkeypatch.setattr(choice, 'with_engine', other)
    monkeypatch.setattr(choice, 'OFF', .01)
    found = probe(build(), several)
    assert found.name == 'torch' and 'units off' in found.refused['torch bfloat16']
    def broken(*args): raise RuntimeError('no such instruction')
    monkeypatch.setattr(choice, 'with_engine', broken)
    found = probe(build(), several)
    assert (found.name, found.why) == ('torch', 'all others failed') and found.refused['torch'] == 'no such instruction'
    now = torch.get_num_threads()
    torch.set_num_threads(threads)
    assert now == 2

@pytest.mark.skipif(sys.platform != 'linux', reason='forks')
@pytest.mark.parametrize('engine', [o for o in HERE if o != 'onnx'])
def test_forked_after_use(engine):
    "A folder run's workers go on with a network that the parent has used, with several threads"
    installed(engine)
    r = subprocess.run([sys.executable, '-c', f"""
import os, signal, torch
from letthere_color.choice import with_engine
from letthere_color.models import load_model
fast, L = with_engine(load_model('tiny'), {engine!r}), torch.rand(1, 1, 64, 64)
torch.set_num_threads(2)
before = fast(L)[0]
if not (child := os.fork()):
    signal.alarm(100)
    torch.set_num_threads(1)
    os._exit(0 if torch.allclose(fast(L)[0], before, atol=1e-5) else 3)
print(os.waitpid(child, 0)[1])"""], capture_output=True, text=True)
    assert (r.returncode, r.stdout.strip()) == (0, '0'), r.stdout + r.stderr
