"""Whole numbers of 8 bits: the ONNX file of a model, quantised by onnxruntime, beside its float32 and the plain network (notebook 06j).

    python benchmarks/int8.py PHOTOS [--model tiny] [--n 16] [--json nbs/results/int8.json]

PHOTOS (a folder or a shard) tell the quantiser how large numbers become; CIEDE2000 to the plain network is of the sample photos, at
112 pixels. Times are those of the processor, on one thread, the least of 30 in turn, at 224 pixels."""
import argparse, json, tempfile, time
from pathlib import Path
import numpy as np, onnx, torch
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from letthere_color.choice import processor
from letthere_color.colorization import predict_ab
from letthere_color.core import open_photo, photo2tensor, rgb2l, sample_photos
from letthere_color.evaluation import ciede2000
from letthere_color.models import load_model
from letthere_color.onnx_files import export_onnx, OnnxColorization
from letthere_color.photos import list_photos

p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
p.add_argument('photos')
p.add_argument('--model', default='tiny')
p.add_argument('--n', type=int, default=16)
p.add_argument('--json', type=Path)
a = p.parse_args()
torch.set_num_threads(1); torch.set_grad_enabled(False); torch.manual_seed(0)
plain, photos = load_model(a.model), list_photos(a.photos)

class Seen(CalibrationDataReader):
    def __init__(self): self.each = iter(photos[::max(1, len(photos)//a.n)][:a.n])
    def get_next(self):
        for *_, read in self.each:
            L = rgb2l(photo2tensor(open_photo(read())))[None]/100
            return dict(L=L.numpy(), style=np.zeros((1, plain.global_features.nf), 'float32'), style_weight=np.zeros((1,1), 'float32'))

def lab(m, L): return torch.cat([L*100, predict_ab(m, L)], 1).double()
tests = [rgb2l(photo2tensor(p.resize((112,112))))[None]/100 for p in sample_photos().values()]
with tempfile.TemporaryDirectory() as d:
    src = export_onnx(plain, Path(d, 'model.onnx'))
    graph, nets = onnx.load(src).graph, dict(plain=plain, float32=OnnxColorization(src, 1))
    shapes = {o.name: o.dims for o in graph.initializer}
    first = [o.name for o in graph.node if o.op_type == 'Conv' and shapes[o.input[1]][1] == 1]
    for name, leave in (('int8', []), ('int8 but the first layer', first)):
        quantize_static(src, Path(d, 'int8.onnx'), Seen(), per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                        op_types_to_quantize=['Conv'], nodes_to_exclude=leave)
        nets[name] = OnnxColorization(Path(d, 'int8.onnx'), 1)
L, taken = torch.rand(1, 1, 224, 224), {o: [] for o in nets}
for _ in range(30):
    for o, m in nets.items(): start = time.process_time(); m(L); taken[o].append(time.process_time() - start)
res = dict(command=f'python benchmarks/int8.py {Path(a.photos).name} --model {a.model} --n {a.n}', model=a.model, seed=0, hardware=processor(), threads=1, photos=len(tests), engines={})
for o, m in nets.items():
    off = torch.cat([ciede2000(lab(m, L), lab(plain, L)).flatten() for L in tests])
    res['engines'][o] = dict(ms=round(min(taken[o])*1e3, 2), worst=round(off.max().item(), 4), mean=round(off.mean().item(), 5))
    print(o, res['engines'][o])
if a.json: a.json.write_text(json.dumps(res, indent=1) + '\n')
