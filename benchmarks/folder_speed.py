"""A folder of photos: the script that everybody writes first, beside this library. (notebook 07b)

python benchmarks/folder_speed.py [--photos 200] [--model tiny] [--repeats 2] [--json nbs/results/folder_speed.json]

The photos are grey JPEGs of one megapixel, made from scikit-image's samples. `naive`: Pillow, scikit-image's Lab, the network in float32 on a
copy of 224 x 224, bilinear upsampling, one photo after another. `ours`: `letthere colorize FOLDER`. Both from the start of the process to its end, in turn."""
import argparse, json, os, statistics, subprocess, sys, tempfile, time
from pathlib import Path

def make_photos(folder, n):
    import numpy as np
    from letthere_color.core import sample_photos
    rng, samples = np.random.default_rng(0), list(sample_photos().values())
    for i in range(n):
        p = samples[i % len(samples)]
        w, h = (rng.uniform(.6, 1)*o for o in p.size)
        x, y = rng.uniform(0, p.width - w), rng.uniform(0, p.height - h)
        p.convert('L').resize([(1152, 864), (864, 1152), (1000, 1000)][i % 3], box=(x, y, x+w, y+h)).save(folder/f'{i:03}.jpg', quality=90)

def naive(folder, out, model):
    import numpy as np, torch, torch.nn.functional as F
    from PIL import Image
    from skimage.color import lab2rgb, rgb2lab
    from letthere_color.models import load_model
    net = load_model(model)
    out.mkdir()
    for f in sorted(folder.iterdir()):
        rgb = np.array(Image.open(f).convert('RGB'))
        L = torch.from_numpy(rgb2lab(rgb)[..., 0]).float()[None,None]
        with torch.no_grad(): ab, _ = net(F.interpolate(L/100, (224,224), mode='bilinear', antialias=True))
        ab = F.interpolate(ab*220 - 110, L.shape[-2:], mode='bilinear')
        lab = torch.cat([L, ab], 1)[0].permute(1,2,0).numpy()
        Image.fromarray((lab2rgb(lab)*255).round().astype(np.uint8)).save(out/f.name, quality=95, subsampling=0)

def ours(folder, out, model):
    from letthere_color.cli import main
    sys.argv = ['letthere', 'colorize', str(folder), '-o', str(out), '--model', model]
    main()

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('--photos', type=int, default=200)
p.add_argument('--model', default='tiny')
p.add_argument('--repeats', type=int, default=2)
p.add_argument('--json', type=Path)
p.add_argument('--one', nargs=3, help=argparse.SUPPRESS)
a = p.parse_args()
if a.one:
    dict(naive=naive, ours=ours)[a.one[0]](Path(a.one[1]), Path(a.one[2]), a.model)
    sys.exit()

taken = dict(naive=[], ours=[])
with tempfile.TemporaryDirectory() as tmp:
    folder = Path(tmp)/'photos'; folder.mkdir(); make_photos(folder, a.photos)
    for i in range(a.repeats):
        for which in taken:
            begun = time.perf_counter()
            subprocess.run([sys.executable, __file__, '--model', a.model, '--one', which, str(folder), f'{tmp}/{which}{i}'], check=True, stdout=subprocess.DEVNULL)
            taken[which].append(time.perf_counter() - begun)
            assert len(list(Path(f'{tmp}/{which}{i}').iterdir())) == a.photos
            print(f'{which}: {taken[which][-1]:.1f} s', flush=True)
ratios = [n/o for n,o in zip(taken['naive'], taken['ours'])]
print(f'ours is {statistics.median(ratios):.2f} x naive')
if a.json:
    import torch
    commit = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
    row = dict(command=f'python benchmarks/folder_speed.py --photos {a.photos} --model {a.model} --repeats {a.repeats}', photos=a.photos, megapixels=1.0,
               model=a.model, seconds={k: [round(o, 1) for o in v] for k,v in taken.items()}, ratio=round(statistics.median(ratios), 2),
               capability=torch.backends.cpu.get_cpu_capability(), cores=len(os.sched_getaffinity(0)), torch=torch.__version__, commit=commit)
    rows = json.loads(a.json.read_text()) if a.json.exists() else []
    same = [(o['command'], o['capability']) == (row['command'], row['capability']) for o in rows]
    a.json.write_text(json.dumps([o for o,s in zip(rows, same) if not s] + [row], indent=1) + '\n')
