"""The engines beside the plain network: speed, and exactness, in one run (notebooks 06c, 06g and 06j).

    python benchmarks/fast.py [--models tiny small] [--sizes 224 512 1024] [--repeats 30] [--photos FOLDER|SHARD ...] [--each 300 48]
                              [--cpu-time] [--json nbs/results/fast.json]

All variants run in turn in one process; a time is that of the fastest run. With --cpu-time it is the time that the processor spent on
us, on one thread: that can be compared on a machine with other work, too. Exactness is the CIEDE2000 to the plain network, before
colours are rounded to 8 bits, over the sample photos and so many (--each) evenly spaced photos of each of --photos.
Times in bfloat16 are taken where the processor has it. With --json, what the file has and this run did not measure is kept."""
import argparse, copy, json, os, subprocess, time
from datetime import date
from importlib.metadata import version
from pathlib import Path
import torch
from torch import nn
from letthere_color.models import load_model, shipped_models
from letthere_color.core import open_photo, photo2tensor, rgb2l, sample_photos
from letthere_color.colorization import predict_ab
from letthere_color.evaluation import ciede2000
from letthere_color.fast import fold_norm, lean_model, small_tail, split_fusion
from letthere_color.engines import benchmark_table, NcnnFiles, NcnnNet
from letthere_color.choice import choose, processor, unusable, with_engine
from letthere_color.photos import list_photos
from letthere_color.small_copy import look_around

def cores(): return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
def commit(): return subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True, cwd=Path(__file__).parent).stdout.strip()

class InBfloat16:
    "`lean_model` with all layers in bfloat16; takes and gives what `Colorization` does"
    def __init__(self, model): self.model, self.space = lean_model(model).to(torch.bfloat16), model.space
    def __call__(self, L, style=None): return self.model(L.bfloat16(), look_around(self.model, L))[0].float(), None

def engines(model):
    "The network in all engines that are installed, in float32 and bfloat16"
    names = [o for o in ('torch', 'ncnn', 'openvino', 'onnx') if not unusable(o)]
    names += [f'{o} bfloat16' for o in names if o != 'onnx']
    return {'plain': model, **{o: with_engine(model, *o.split()) for o in names}, 'torch, all layers bfloat16': InBfloat16(model)}

def tricks(model, found):
    "The variants of notebooks 06c and 06g: three tricks, each added to those before, and the engines"
    folded = fold_norm(model)
    split = split_fusion(copy.deepcopy(folded))
    return {'plain': model, 'batch norm folded': folded, '... and fusion as a bias': split,
            '... and last layers at half size': small_tail(copy.deepcopy(split)), '... and `channels_last`: `lean_model`': found['torch'],
            '`lean_model` as ONNX file, in onnxruntime': found['onnx'], 'ncnn, with Winograd': found['ncnn'],
            '... and strided layers in bfloat16': found['ncnn bfloat16'], '`lean_model` in bfloat16, but the first layer': found['torch bfloat16']}

def layers(repeats, timer, nf=128, side=28):
    "Milliseconds of a layer of stride 1 and one of stride 2 in ncnn, with the same number of multiplications"
    rows = []
    for stride in (1,2):
        files, x = NcnnFiles(), torch.rand(1, nf, stride*side, stride*side)
        out = files.weighted(nn.Conv2d(nf, nf, 3, stride, padding=1), files.add('Input', [], 'x'), True, forbid=0)
        nets = {n: NcnnNet(files, n == 'bfloat16') for n in ('float32', 'bfloat16')}
        times = benchmark_table({n: lambda L, net=net, out=out, x=x: net([out], x=x) for n,net in nets.items()}, [224], repeats, timer=timer)[0]
        rows.append(dict(layer=f'stride {stride}: {nf} channels to {nf} of {side} x {side}', **{n: round(times[n]*1e3, 3) for n in nets}))
    return rows

def lightness(sources, each):
    "The sample photos, and every k-th of each source"
    for p in sample_photos().values(): yield rgb2l(photo2tensor(p.resize((224,224))))[None]/100
    for source, n in zip(sources, each):
        photos = list_photos(source)
        for *_, read in photos[::max(1, len(photos)//n)][:n]: yield rgb2l(photo2tensor(open_photo(read())))[None]/100

def differences(model, variants, sources, each):
    "Worst and mean CIEDE2000 of each variant, and the number of photos"
    def lab(m, L): return torch.cat([L*100, predict_ab(m, L)], 1).double()
    found = {o: [] for o in variants}
    for L in lightness(sources, each):
        truth = lab(model, L)
        for o, m in variants.items(): d = ciede2000(lab(m, L), truth); found[o].append((d.max().item(), d.mean().item()))
    n = len(next(iter(found.values())))
    return {o: dict(photos=n, worst=max(w for w,_ in v), mean=sum(m for _,m in v)/n) for o, v in found.items()}

p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
p.add_argument('--models', nargs='+', default=shipped_models())
p.add_argument('--sizes', type=int, nargs='+', default=[224, 512, 1024])
p.add_argument('--repeats', type=int, default=30)
p.add_argument('--photos', nargs='*', default=[])
p.add_argument('--each', type=int, nargs='*', default=[])
p.add_argument('--cpu-time', action='store_true')
p.add_argument('--json', type=Path)
a = p.parse_args()
torch.manual_seed(0)
torch.set_grad_enabled(False)
if a.cpu_time: torch.set_num_threads(1)
timer, half = time.process_time if a.cpu_time else time.perf_counter, '_bf16' in processor()
isa = os.environ.get('ONEDNN_MAX_CPU_ISA') # PyTorch and OpenVINO leave newer instructions alone
packages = {o: version(o) for o in ('onnxruntime', 'ncnn', 'openvino') if not unusable('onnx' if o == 'onnxruntime' else o)}
command = ['python benchmarks/fast.py --models', *a.models, '--sizes', *a.sizes, '--repeats', a.repeats, *['--cpu-time']*a.cpu_time]
if isa: command[:0] = [f'ONEDNN_MAX_CPU_ISA={isa}']
if a.photos: command += ['--photos', *(Path(o).name for o in a.photos), '--each', *a.each]
res = dict(command=' '.join(map(str, command)), seed=0,
           data='random lightness; sample photos, and those of --photos, for CIEDE2000', hardware=f'{processor()}, {cores()} cores' + f', nothing beyond {isa}'*bool(isa),
           threads=torch.get_num_threads(), clock='processor time' if a.cpu_time else 'time', torch=torch.__version__, **packages,
           date=str(date.today()), commit=commit(), load_before=[round(v, 1) for v in os.getloadavg()] if hasattr(os, 'getloadavg') else None,
           bfloat16_in_hardware=half, tricks=[], models=[], engines=[])
if half: res['layers'] = dict(hardware=res['hardware'], rows=layers(a.repeats, timer))
for name in a.models:
    model = load_model(name)
    about, found = dict(name=name, width=model.config.width), engines(model)
    variants = {k: m for k,m in tricks(model, found).items() if half or 'bfloat16' not in k}
    row = benchmark_table(variants, [224], a.repeats, timer=timer)[0]
    res['tricks'].append(dict(about, ms={k: round(row[k]*1e3, 2) for k in variants}))
    timed = {k: m for k,m in found.items() if half or 'bfloat16' not in k}
    rows = [{k: round(v, 5) if isinstance(v, float) else v for k,v in r.items()} for r in benchmark_table(timed, a.sizes, a.repeats, timer=timer)]
    # without the instruction OpenVINO reckons in float32, whatever it is told: that would say nothing
    all_half, leave = 'torch, all layers bfloat16', {'plain', 'torch, all layers bfloat16'} | ({'openvino bfloat16'} if not half else set())
    apart = differences(model, {k: m for k,m in found.items() if k not in leave}, a.photos, a.each)
    apart |= differences(model, {all_half: found[all_half]}, [], [])  # the sample photos are enough
    fast = choose(model).name
    res['engines'].append(dict(about, choice=fast, rows=[{k: r[k] for k in ('size', *timed)} for r in rows], ciede2000=apart))
    res['models'].append(dict(about, rows=[{k: r[k] for k in ('size', 'paper_cpu', 'paper_gpu')} | dict(plain=r['plain'], fast=r[fast], onnxruntime=r['onnx']) for r in rows],
                              ciede2000=apart[fast], ciede2000_exact=apart['ncnn'], ciede2000_strided=apart['ncnn bfloat16'],
                              ciede2000_bfloat16=apart[all_half]))
    print(name, fast, res['tricks'][-1]['ms'], *res['engines'][-1]['rows'], *apart.items(), sep='\n  ', flush=True)
if a.json:
    if a.json.exists():
        old = json.loads(a.json.read_text())
        res = dict(layers=old['layers']) | res
        for k in ('tricks', 'models', 'engines'): res[k] = sorted([o for o in old.get(k, []) if o['name'] not in a.models] + res[k], key=lambda o: -o['width'])
    a.json.write_text(json.dumps(res, indent=1) + '\n')
