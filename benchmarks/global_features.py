"""What global features bring (section 4.4): two trained networks, with and without them, on the same photos, one by one. (notebook 08b)

python benchmarks/global_features.py WITH WITHOUT --valid SHARD [--cache FOLDER] [--json nbs/results/global_features.json]

WITH and WITHOUT: folders of models, each with the `train.json` of its training beside it, which says how many photos it saw, where and when. Judged are
central crops of the size that the networks were trained at, at the strength that the networks paint; no pixel is kept."""
import argparse, json, sys, tempfile
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode
from letthere_color.colorization import predict_ab
from letthere_color.core import lab2rgb, rgb2lab
from letthere_color.evaluation import ciede2000, mean_chroma
from letthere_color.judging import mean_and_error, measured_with
from letthere_color.low_level import n_params
from letthere_color.metrics import psnr
from letthere_color.models import load_model
from letthere_color.photos import cache_photos

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('models', type=Path, nargs=2, help='folders of the network with global features and of that without')
p.add_argument('--valid', type=Path, nargs='+', required=True, help='photos to judge by')
p.add_argument('--cache', type=Path, help='folder of the decoded photos; default: one that is deleted')
p.add_argument('--size', type=int, default=112, help='side of the crops, in pixels')
p.add_argument('--crop', type=float, default=120/112, help='the photos are brought to this times `size` first')
p.add_argument('--json', type=Path, default=Path('nbs/results/global_features.json'))
a = p.parse_args()

def multiply_adds(model):
    with torch.no_grad(), FlopCounterMode(display=False) as counter: model(torch.zeros(1, 1, a.size, a.size))
    return counter.get_total_flops()//2

def about(folder, model):
    "What a network is, and where it comes from"
    t, c = json.loads((folder/'train.json').read_text()), model.config
    return dict(width=c.width, use_global=c.use_global, parameters=n_params(model), multiply_adds=multiply_adds(model), photos_seen=t['seen'], photos=t['photos'],
                with_class=t['labelled'], seconds=round(t['seconds']), gpu=t['gpu'], torch=t['torch'], settings=t['args'], history=[dict(photos_seen=n*int(t['args']['bs']), **m)
                for n, _, m in [*t['history'], (t['steps'], t['seconds'], t['result'])]])

def painted(model, lab):
    "The photo in the network's colours, and the rank of its scene"
    L, known = lab[:,:1], model.config.use_global
    ab = predict_ab(model, L/100)
    return lab2rgb(torch.cat([L, ab], 1)), torch.cat([L, ab], 1), model(L/100)[1][0] if known else None

models = [load_model(o) for o in a.models]
with tempfile.TemporaryDirectory() as t:
    cache = cache_photos(a.valid, a.cache or t, round(a.size*a.crop), models[0].config.class_names)
    off, rows = (cache.size - a.size)//2, []
    for photo, label in zip(cache.photos, cache.labels):
        true = photo[off:off+a.size, off:off+a.size].permute(2,0,1)[None]/255
        lab = rgb2lab(true)
        grey = psnr(lab2rgb(lab*torch.tensor([1.,0,0]).view(1,3,1,1)), true).item()
        row = [cache.classes[label] if label >= 0 else None, grey, mean_chroma(lab)]
        with torch.no_grad():
            for model in models:
                rgb, got, scores = painted(model, lab)
                row += [psnr(rgb, true).item(), ciede2000(got, lab).mean().item(), mean_chroma(got)]
                if scores is not None and label >= 0: rank = (scores > scores[label]).sum().item() + 1
        rows.append([round(o, 4) if isinstance(o, float) else o for o in [*row, rank if label >= 0 else None]])
        if len(rows) % 200 == 0: print(f'{len(rows)} of {len(cache)}', flush=True)
    left_out = len(cache.skipped)

columns = ['class', 'psnr_grey', 'chroma_true', *(f'{k}_{o}' for o in ('with', 'without') for k in ('psnr', 'ciede2000', 'chroma')), 'rank']
at = {k: i for i, k in enumerate(columns)}
differences = {k: mean_and_error([o[at[f'{k}_with']] - o[at[f'{k}_without']] for o in rows]) for k in ('psnr', 'ciede2000', 'chroma')}
print(differences)
command = ' '.join(['python benchmarks/global_features.py', *(Path(o).name if Path(o).exists() or '/' in o else o for o in sys.argv[1:])])
data = dict(files=[o.name for o in a.valid], photos=len(rows), left_out=left_out, size=a.size)
result = dict(command=command, data=data, seed=0, **measured_with(), models=dict(zip(('with', 'without'), map(about, a.models, models))), with_minus_without=differences,
              photos=dict(columns=columns, rows='@'))
text = json.dumps(result, indent=1).replace('"@"', '[\n   ' + ',\n   '.join(map(json.dumps, rows)) + ']')
a.json.parent.mkdir(parents=True, exist_ok=True)
a.json.write_text(text + '\n')
