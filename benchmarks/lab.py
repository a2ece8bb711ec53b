"""sRGB <-> Lab: ours against scikit-image, in one run, in turn, on the same photo.

    python benchmarks/lab.py [--megapixels 12] [--repeats 5] [--json nbs/results/lab_speed.json]

The data is a photo that scikit-image ships, tiled to the size asked for, plus noise from a fixed seed (so that no value is rare).
scikit-image gets what it likes best, contiguous (H,W,3); ours gets what it likes best, (3,H,W)."""
import argparse, json, os, platform, subprocess, time, warnings
from pathlib import Path
from statistics import median
import numpy as np, skimage, torch
from skimage import color
from letthere_color.core import lab2rgb, photo2tensor, rgb2lab, sample_photos

SEED = 0

def photo(mp):
    "A real photo, 4:3, tiled to `mp` megapixels, uint8 (3,H,W)"
    h = round((mp*1e6*3/4)**.5); w = round(mp*1e6/h)
    x = photo2tensor(sample_photos()['coffee'])
    x = x.repeat(1, -(-h//x.shape[1]), -(-w//x.shape[2]))[:, :h, :w].to(torch.int16)
    noise = torch.randint(-8, 9, x.shape, generator=torch.Generator().manual_seed(SEED), dtype=torch.int16)
    return (x + noise).clamp(0, 255).to(torch.uint8).contiguous()

def cpu():
    "CPU model and number of cores"
    try: name = next(l.split(':')[1].strip() for l in open('/proc/cpuinfo') if l.startswith('model name'))
    except (OSError, StopIteration): name = platform.processor() or platform.machine()
    return f'{name}, {len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()} cores'

def commit():
    r = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True, cwd=Path(__file__).parent)
    return r.stdout.strip() if r.returncode == 0 else None

def timed(f):
    t = time.perf_counter(); f()
    return time.perf_counter() - t

def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--megapixels", type=float, default=12)
    ap.add_argument('--repeats', type=int, default=5)
    ap.add_argument('--json', type=Path)
    a = ap.parse_args()
    x8 = photo(a.megapixels); x = x8/255.; lab = rgb2lab(x)
    h8, h, hlab = (np.ascontiguousarray(t.permute(1,2,0).numpy()) for t in (x8, x, lab))
    pairs = {'RGB float32 to Lab': (lambda: color.rgb2lab(h), lambda: rgb2lab(x)),
             'RGB uint8 to Lab': (lambda: color.rgb2lab(h8), lambda: rgb2lab(x8)),
             'Lab to RGB float32': (lambda: color.lab2rgb(hlab), lambda: lab2rgb(lab))}
    rows,load = [],[round(v, 1) for v in os.getloadavg()] if hasattr(os, 'getloadavg') else None
    nice = os.getpriority(os.PRIO_PROCESS, 0) if hasattr(os, 'getpriority') else None
    print(f'{a.megapixels:g} megapixels, {torch.get_num_threads()} threads, {cpu()}')
    print(f'{"":22}{"scikit-image":>14}{"ours":>10}{"ratio":>8}')
    for name,(theirs,ours) in pairs.items():
        timed(ours)
        t = [(timed(theirs), timed(ours)) for _ in range(a.repeats)]
        s,o = (median(v) for v in zip(*t))
        rows.append(dict(name=name, skimage_s=round(s, 4), ours_s=round(o, 4), ratio=round(s/o, 2),
                         lowest_ratio=round(min(p/q for p,q in t), 2)))
        print(f'{name:22}{s:12.3f} s{o:8.3f} s{s/o:8.1f}', flush=True)
    if a.json:
        res = dict(command=f'python benchmarks/lab.py --megapixels {a.megapixels:g} --repeats {a.repeats}', megapixels=a.megapixels,
                   repeats=a.repeats, seed=SEED, data='coffee (scikit-image), tiled, with noise', hardware=cpu(), threads=torch.get_num_threads(),
                   torch=torch.__version__, skimage=skimage.__version__, numpy=np.__version__, commit=commit(),
                   load_before=load, nice=nice, rows=rows)
        a.json.write_text(json.dumps(res, indent=1) + '\n')

if __name__ == '__main__':
    warnings.simplefilter('ignore')
    main()
