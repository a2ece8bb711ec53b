"""The fast path beside the plain network: each trick at 224 pixels, then the table of section 4.9 (notebook 07a).

    python benchmarks/fast.py [--repeats 30] [--sizes 224 256 512 1024 2048] [--widths 0.5 1] [--json nbs/results/fast.json]

Shipped models are measured at all sizes, random weights at 224 and 512 (global_size 112, as the shipped ones). All variants run in turn in one process."""
import argparse, copy, json, platform, subprocess, tempfile, os
from datetime import date
from pathlib import Path
import onnxruntime, torch
from letthere_color.colorization import Colorization, ModelConfig, load_model, shipped_models
from letthere_color.core import photo2tensor, rgb2l, sample_photos
from letthere_color.fast import (OnnxColorization, benchmark_table, colour_difference, export_onnx, fast_model, fold_norm,
                                 halve_tail, split_fusion)

def cpu():
    try: name = next(l.split(':')[1].strip() for l in open('/proc/cpuinfo') if l.startswith('model name'))
    except (OSError, StopIteration): name = platform.processor() or platform.machine()
    has = torch.cpu.get_capabilities()
    kind = next((k for k in ('amx_bf16', 'avx512_bf16', 'avx512_f', 'avx2') if has.get(k)), '')
    return f'{name} ({kind}), {len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()} cores'

def commit(): return subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True, cwd=Path(__file__).parent).stdout.strip()

def in_onnx(model, **kw):
    with tempfile.TemporaryDirectory() as d: return OnnxColorization(export_onnx(model, Path(d)/'model.onnx', **kw))

def tricks(model):
    "The variants of notebook 07a, each with one trick more than the one before"
    folded = fold_norm(model)
    split = split_fusion(copy.deepcopy(folded))
    res = {'plain': model, 'batch norm folded': folded, 'fusion as a bias': split, 'last layers at half size': halve_tail(copy.deepcopy(split)),
           '`channels_last`': fast_model(model, torch.float32), 'onnxruntime': in_onnx(model, winograd=False), 'Winograd': in_onnx(model)}
    return res

def difference(model, fast):
    "Worst and mean CIEDE2000 over the sample photos, at 224 pixels"
    found = [colour_difference(fast, model, rgb2l(photo2tensor(p.resize((224,224))))[None]/100) for p in sample_photos().values()]
    return dict(photos=len(found), worst=max(w for w,_ in found), mean=sum(m for _,m in found)/len(found))

p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
p.add_argument('--repeats', type=int, default=30)
p.add_argument('--sizes', type=int, nargs='+', default=[224, 256, 512, 1024, 2048])
p.add_argument('--widths', type=float, nargs='*', default=[.5, 1.], help='random weights of these widths, too')
p.add_argument('--json', type=Path)
a = p.parse_args()
torch.manual_seed(0)
res = dict(command=f'python benchmarks/fast.py --repeats {a.repeats} --sizes {" ".join(map(str, a.sizes))} --widths {" ".join(f"{w:g}" for w in a.widths)}', seed=0, data='random lightness; sample photos for CIEDE2000',
           hardware=cpu(), threads=torch.get_num_threads(), torch=torch.__version__, onnxruntime=onnxruntime.__version__, date=str(date.today()), commit=commit(),
           load_before=[round(v, 1) for v in os.getloadavg()] if hasattr(os, 'getloadavg') else None, tricks=[], models=[])
todo = [(name, load_model(name), a.sizes) for name in shipped_models()]
todo += [('random weights', Colorization(ModelConfig(width=w, global_size=112)).eval(), [s for s in a.sizes if s in (224, 512)]) for w in a.widths]
for name, model, sizes in todo:
    about, variants = dict(name=name, width=model.config.width), tricks(model)
    row = benchmark_table(variants, [224], a.repeats)[0]
    res['tricks'].append(dict(about, ms={k: round(row[k]*1e3, 2) for k in variants}))
    fast = {'plain': model, 'PyTorch': fast_model(model), 'onnxruntime': variants['Winograd']}
    rows = [{k: round(v, 4) if isinstance(v, float) else v for k,v in r.items()} for r in benchmark_table(fast, sizes, a.repeats)]
    res['models'].append(dict(about, rows=rows, ciede2000=difference(model, fast['onnxruntime']) if name in shipped_models() else None))
    print(name, res['tricks'][-1]['ms'], *rows, res['models'][-1]['ciede2000'], sep='\n  ', flush=True)
if a.json: a.json.write_text(json.dumps(res, indent=1) + '\n')
