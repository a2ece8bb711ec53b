"""The fast path beside the plain network: each trick at 224 pixels, then the table of section 4.9 (notebooks 06c and 06g).

    python benchmarks/fast.py [--models tiny small] [--sizes 224 512 1024 2048] [--repeats 30] [--json nbs/results/fast.json]

All variants run in turn in one process; a time is that of the fastest run. With --json, models that the file has and that are not named are kept."""
import argparse, copy, json, os, platform, subprocess, tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path
import torch
from torch import nn
from letthere_color.models import load_model, shipped_models
from letthere_color.core import photo2tensor, rgb2l, sample_photos
from letthere_color.colorization import predict_ab
from letthere_color.evaluation import ciede2000
from letthere_color.fast import fold_norm, lean_model, small_tail, split_fusion
from letthere_color.engines import benchmark_table, fast_model, NcnnFiles, NcnnNet
from letthere_color.onnx_files import export_onnx, OnnxColorization
from letthere_color.small_copy import look_around

def cpu():
    try: name = next(l.split(':')[1].strip() for l in open('/proc/cpuinfo') if l.startswith('model name'))
    except (OSError, StopIteration): name = platform.processor() or platform.machine()
    has = torch.cpu.get_capabilities()
    kind = next((k for k in ('amx_bf16', 'avx512_bf16', 'avx512_f', 'avx2') if has.get(k)), '')
    return f'{name} ({kind}), {len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()} cores'

def commit(): return subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True, cwd=Path(__file__).parent).stdout.strip()

def in_onnx(model):
    with tempfile.TemporaryDirectory() as d: return OnnxColorization(export_onnx(model, Path(d)/'model.onnx'))

class InBfloat16:
    "`lean_model` in numbers of 16 bits; takes and gives what `Colorization` does"
    def __init__(self, model): self.model, self.space = lean_model(model).to(torch.bfloat16), model.space
    def __call__(self, L, style=None): return self.model(L.bfloat16(), look_around(self.model, L))[0].float(), None

def tricks(model):
    "The variants of notebooks 06c and 06g: three tricks, each added to those before, and the engines"
    folded = fold_norm(model)
    split = split_fusion(copy.deepcopy(folded))
    return {'plain': model, 'batch norm folded': folded, '... and fusion as a bias': split,
            '... and last layers at half size': small_tail(copy.deepcopy(split)), '... and `channels_last`: `lean_model`': lean_model(model), 
            '`lean_model` as ONNX file, in onnxruntime': in_onnx(model), 'ncnn, with Winograd': fast_model(model, bf16=False),
            '... and strided layers in bfloat16: `fast_model`': fast_model(model, bf16=True), '`lean_model` in bfloat16': InBfloat16(model)}

def layers(repeats, nf=128, side=28):
    "Milliseconds of a layer of stride 1 and one of stride 2 in ncnn, with the same number of multiplications"
    rows = []
    for stride in (1,2):
        files, x = NcnnFiles(), torch.rand(1, nf, stride*side, stride*side)
        out = files.weighted(nn.Conv2d(nf, nf, 3, stride, padding=1), files.add('Input', [], 'x'), True, forbid=0)
        nets = {n: NcnnNet(files, n == 'bfloat16') for n in ('float32', 'bfloat16')}
        times = benchmark_table({n: lambda L, net=net, out=out, x=x: net([out], x=x) for n,net in nets.items()}, [224], repeats)[0]
        rows.append(dict(layer=f'stride {stride}: {nf} channels to {nf} of {side} x {side}', **{n: round(times[n]*1e3, 3) for n in nets}))
    return rows

def difference(model, fast):
    "Worst and mean CIEDE2000 over the sample photos, at 224 pixels"
    def lab(m, L): return torch.cat([L*100, predict_ab(m, L)], 1).double()
    photos = [rgb2l(photo2tensor(p.resize((224,224))))[None]/100 for p in sample_photos().values()]
    found = torch.cat([ciede2000(lab(fast, L), lab(model, L)) for L in photos])
    return dict(photos=len(found), worst=found.max().item(), mean=found.mean().item())

p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
p.add_argument('--models', nargs='+', default=shipped_models())
p.add_argument('--sizes', type=int, nargs='+', default=[224, 512, 1024, 2048])
p.add_argument('--repeats', type=int, default=30)
p.add_argument('--json', type=Path)
a = p.parse_args()
torch.manual_seed(0)
packages = {o: version(o) for o in ('onnxruntime', 'ncnn')}
res = dict(command=f'python benchmarks/fast.py --models {" ".join(a.models)} --sizes {" ".join(map(str, a.sizes))} --repeats {a.repeats}', seed=0,
           data='random lightness; sample photos for CIEDE2000', hardware=cpu(), threads=torch.get_num_threads(), torch=torch.__version__, **packages,
           date=str(date.today()), commit=commit(), load_before=[round(v, 1) for v in os.getloadavg()] if hasattr(os, 'getloadavg') else None,
           layers=layers(a.repeats), tricks=[], models=[])
for name in a.models:
    model = load_model(name)
    about, variants = dict(name=name, width=model.config.width), tricks(model)
    row = benchmark_table(variants, [224], a.repeats)[0]
    res['tricks'].append(dict(about, ms={k: round(row[k]*1e3, 2) for k in variants}))
    *_, in_ort, exact, fast, half = variants.values()
    rows = benchmark_table(dict(plain=model, fast=fast, onnxruntime=in_ort), a.sizes, a.repeats)
    rows = [{k: round(v, 4) if isinstance(v, float) else v for k,v in r.items()} for r in rows]
    res['models'].append(dict(about, rows=rows, ciede2000=difference(model, fast), ciede2000_exact=difference(model, exact), 
                              ciede2000_bfloat16=difference(model, half)))
    print(name, res['tricks'][-1]['ms'], *rows, res['models'][-1]['ciede2000'], res['models'][-1]['ciede2000_bfloat16'], sep='\n  ', flush=True)
if a.json:
    if a.json.exists():
        old = json.loads(a.json.read_text())
        for k in ('tricks', 'models'): res[k] = sorted([o for o in old[k] if o['name'] not in a.models] + res[k], key=lambda o: -o['width'])
    a.json.write_text(json.dumps(res, indent=1) + '\n')
