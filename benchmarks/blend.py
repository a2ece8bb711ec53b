"""How much of a second run to take, and how much chroma? Weights on the line between the model before it and the model after it. (notebook 06e)

python benchmarks/blend.py BEFORE AFTER VALID [--shares 0 .5 1] [--chroma 1 1.1] [--json nbs/results/blend.json]
BEFORE, AFTER: models, shipped names or folders, the second started from the first. VALID: class folders or a .tar shard of colour photos, or
the cache of a run. Whole photos of 128 pixels, and the same as old prints (`aged`, chapter 1a; judged on the true lightness): gain over grey in dB,
and mean chroma as a share of the truth."""
import argparse, json, platform, subprocess, tempfile
from datetime import date
from pathlib import Path

import torch
from letthere_color.models import load_model
from letthere_color.core import rgb2lab
from letthere_color.photos import cache_photos, load_cache
from letthere_color.film import aged
from letthere_color.metrics import Painted
from letthere_color.surgery import blended

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('before'); p.add_argument('after'); p.add_argument('photos', type=Path)
p.add_argument('--shares', type=float, nargs='+', default=[0, .3, .5, 1])
p.add_argument('--chroma', type=float, nargs='+', default=[1.], help='factors for `saturated`')
p.add_argument('--json', type=Path, default=Path('nbs/results/blend.json'))
a = p.parse_args()

with tempfile.TemporaryDirectory() as tmp, torch.no_grad():
    photos = load_cache(a.photos) if (a.photos/'cache.json').exists() else cache_photos(a.photos, tmp, 128)
    before, after, rows = load_model(a.before), load_model(a.after), []
    for share in a.shares:
        model, found = blended(before, after, share), {f: [] for f in a.chroma}
        for i, rgb in enumerate(photos.photos.split(64)):
            rgb = rgb.permute(0,3,1,2)/255
            lab = rgb2lab(rgb)
            both = [(L/100, model(L/100)[0].logit()) for L in (lab[:,:1], aged(rgb, i))]
            for f, rows_of in found.items():  # `saturated` scales what goes into the last sigmoid
                new, old = (Painted(lab, model.space.decode(L, (z*f).sigmoid())[:,1:]) for L, z in both)
                rows_of.append(torch.stack([new.psnr(), new.psnr_grey(), new.chroma(), new.chroma_true(), old.psnr()]))
        for f, o in found.items():
            end, grey, painted, truth, as_old = torch.cat(o, 1).mean(1).tolist()
            rows.append(dict(share=share, chroma=f, gain=round(end - grey, 3), gain_aged=round(as_old - grey, 3), chroma_ratio=round(painted/truth, 3)))
            print(rows[-1], flush=True)
git = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
args = ' '.join(map(str, [Path(a.before).name, Path(a.after).name, a.photos.name, '--shares', *a.shares, '--chroma', *a.chroma]))
a.json.write_text(json.dumps(dict(command=f'python benchmarks/blend.py {args}', photos=len(photos), seed=0,
                                  hardware=f'{platform.machine()}, {torch.get_num_threads()} threads', torch=torch.__version__, date=str(date.today()), commit=git, rows=rows), indent=1) + '\n')
