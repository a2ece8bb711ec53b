"""Training speed: a plain PyTorch script beside this library. (notebook 06e)

python benchmarks/throughput.py [--photos FOLDER | --side 256] [--width 0.25] [--size 112] [--batches 12] [--json nbs/results/throughput.json]

Both train the same network with the same loss, optimiser and batch size on the same class folder of photos (made from scikit-image's
samples if none is given), in processes of their own, in turn. `plain` does what tutorials do: an image folder, Pillow, scikit-image's
rgb2lab for each crop, float32, one loop. `ours` is `colorizer_learner` over a cache, as `letthere train` uses it. The first batches do not count.
Where there is a GPU both train on it, and the arithmetic of `ours` is compared with the largest rate that a product of two matrices reaches there."""
import argparse, json, os, platform, statistics, subprocess, sys, tempfile, time
from pathlib import Path

WARM = 3 # Batches that do not count

def make_photos(folder, n=512, side=256):
    "A class folder of JPEGs, random pieces of the sample photos"
    import numpy as np
    from letthere_color.core import sample_photos
    rng, samples = np.random.default_rng(0), sample_photos()
    for i in range(n):
        name, photo = list(samples.items())[i % len(samples)]
        cut = int(rng.integers(128, min(photo.size)))
        x, y = (int(rng.integers(0, s - cut + 1)) for s in photo.size)
        (folder/name).mkdir(exist_ok=True, parents=True)
        photo.crop((x, y, x+cut, y+cut)).resize((side, side)).save(folder/name/f'{i:04}.jpg', quality=90)

def plain(folder, a):
    import numpy as np, torch, torch.nn.functional as F
    from PIL import Image
    from skimage.color import rgb2lab
    from letthere_color.colorization import Colorization, ModelConfig
    classes = sorted(p.name for p in folder.iterdir())
    files = [(f, i) for i,c in enumerate(classes) for f in sorted((folder/c).iterdir())]
    class Photos(torch.utils.data.Dataset):
        def __len__(self): return len(files)
        def __getitem__(self, i):
            f, label = files[i]
            photo = Image.open(f).convert('RGB').resize((a.cache, a.cache))
            x, y = np.random.randint(0, a.cache - a.size + 1, 2)
            photo = np.array(photo)[y:y+a.size, x:x+a.size]
            if np.random.rand() < .5: photo = photo[:, ::-1]
            lab = torch.from_numpy(rgb2lab(photo)).float().permute(2,0,1)
            return lab[:1]/100, (lab[1:]/110 + 1)/2, label
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    model = Colorization(ModelConfig(width=a.width, n_classes=len(classes), global_size=a.size)).to(device)
    opt, times = torch.optim.AdamW(model.parameters(), lr=1e-3), []
    while len(times) <= a.batches + WARM:
        for L, ab, label in torch.utils.data.DataLoader(Photos(), batch_size=a.bs, shuffle=True, drop_last=True, num_workers=a.workers):
            L, ab, label = L.to(device), ab.to(device), label.to(device)
            if device == 'cuda': torch.cuda.synchronize()
            times.append(time.perf_counter())
            color, scores = model(L)
            loss = F.mse_loss(color, F.interpolate(ab, color.shape[-2:], mode='area')) + F.cross_entropy(scores, label)/300
            opt.zero_grad(); loss.backward(); opt.step()
    return dict(photos_per_s=a.bs*a.batches/(times[WARM + a.batches] - times[WARM]))

def ours(folder, a):
    import torch
    from fastai.callback.core import Callback, CancelFitException, CancelValidException
    from letthere_color.colorization import ModelConfig
    from letthere_color.core import keep_freed_memory
    from letthere_color.photos import cache_photos
    from letthere_color.training import colorizer_learner, Recipe
    cache = cache_photos(folder, a.tmp/'cache', a.cache)
    times = []
    class Clock(Callback):
        def before_validate(self): raise CancelValidException('training alone is measured')
        def before_batch(self):
            if torch.cuda.is_available(): torch.cuda.synchronize()
            times.append(time.perf_counter())
            if len(times) > a.batches + WARM: raise CancelFitException('enough')
    if torch.cuda.is_available(): torch.backends.cudnn.benchmark = True
    else: keep_freed_memory()  # both as `train_colorizer` does
    recipe = Recipe(ModelConfig(width=a.width), bs=a.bs, size=a.size, opt='adamw', lr=1e-3, epochs=1000)
    learn = colorizer_learner(cache, cache, recipe)
    learn.metrics = []
    with learn.no_bar(), learn.no_logging(): learn.fit(recipe.epochs, cbs=Clock())
    res = dict(photos_per_s=a.bs*a.batches/(times[WARM + a.batches] - times[WARM]), waiting=learn.data_time.share)
    return res | (gpu_figures(learn, res['photos_per_s']/a.bs) if torch.cuda.is_available() else {})

def gpu_figures(learn, batches_per_s):
    "The card, and the operations of forward and backward pass as a share of what its matrix units reach in bfloat16"
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    lab, label = learn.dls.one_batch()
    x, target = learn.model.space.encode(lab)
    with FlopCounterMode(display=False) as counter: learn.loss_func(learn.model(x), target, label).backward()
    x = torch.randn(8192, 8192, dtype=torch.bfloat16, device='cuda')
    def products(n):
        torch.cuda.synchronize(); begun = time.perf_counter()
        for _ in range(n): x @ x
        torch.cuda.synchronize(); return n/(time.perf_counter() - begun)
    products(3)
    rate, peak = counter.get_total_flops()*batches_per_s/1e12, products(20)*2*8192**3/1e12
    return dict(gpu=torch.cuda.get_device_name(), tflops=round(rate, 1), matrix_tflops=round(peak, 1), share=round(rate/peak, 3))

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('--photos', type=Path, help='class folder')
p.add_argument('--side', type=int, default=256, help='height and width of the photos that are made, in pixels')
p.add_argument('--width', type=float, default=.25)
p.add_argument('--size', type=int, default=112)
p.add_argument('--cache', type=int, default=0, help='side of the photos that crops are cut from; default: 8/7 of size')
p.add_argument('--bs', type=int, default=64)
p.add_argument('--batches', type=int, default=12)
p.add_argument('--repeats', type=int, default=3)
p.add_argument('--workers', type=int, default=0, help="processes of the plain script's DataLoader")
p.add_argument('--json', type=Path, help='append the result to this list')
p.add_argument('--one', choices=['plain', 'ours'], help=argparse.SUPPRESS)
p.add_argument('--tmp', type=Path, help=argparse.SUPPRESS)
a = p.parse_args()
a.cache = a.cache or a.size*8//7

if a.one:
    print(json.dumps(dict(plain=plain, ours=ours)[a.one](a.photos, a)))
    sys.exit()

with tempfile.TemporaryDirectory() as tmp:
    if not a.photos: a.photos = Path(tmp)/'photos'; make_photos(a.photos, side=a.side)
    results = {'plain':[], 'ours':[]}
    for which in ['plain', 'ours']*a.repeats:
        env = {**os.environ, **(dict(THP_MEM_ALLOC_ENABLE='1') if which == 'ours' else {})}  # as `letthere train` sets it
        run = [sys.executable, __file__, *sys.argv[1:], '--one', which, '--tmp', tmp, '--photos', str(a.photos)]
        results[which].append(json.loads(subprocess.run(run, env=env, check=True, capture_output=True, text=True).stdout.splitlines()[-1]))
        print(which, results[which][-1], flush=True)
ratios = [o['photos_per_s']/q['photos_per_s'] for o,q in zip(results['ours'], results['plain'])]
mid = {k: statistics.median(o['photos_per_s'] for o in v) for k,v in results.items()}
print(f'ours is {statistics.median(ratios):.2f} x plain ({min(ratios):.2f} to {max(ratios):.2f})')
if a.json:
    import torch
    commit = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
    args = ' '.join(o for o in sys.argv[1:] if not o.startswith('--json') and o != str(a.json))
    row = dict(command=f'python benchmarks/throughput.py {args}', photo=a.side, width=a.width, size=a.size, bs=a.bs, batches=a.batches, workers=a.workers,
               photos_per_s={k: round(v, 1) for k,v in mid.items()}, ratio=round(statistics.median(ratios), 2), ratios=[round(o, 2) for o in ratios],
               waiting=round(statistics.median(o['waiting'] for o in results['ours']), 4), processor=platform.processor() or platform.machine(),
               capability=torch.backends.cpu.get_cpu_capability(), threads=torch.get_num_threads(), torch=torch.__version__, commit=commit,
               **{k: v for k,v in results['ours'][-1].items() if k in ('gpu', 'tflops', 'matrix_tflops', 'share')})
    rows = json.loads(a.json.read_text()) if a.json.exists() else []
    a.json.write_text(json.dumps([o for o in rows if o['command'] != row['command']] + [row], indent=1) + '\n')
