"""What this library does on a GPU, beside the CPU of the same machine, in a few minutes. (notebooks 05d, 07b)

python benchmarks/gpu_check.py [--device cuda] [--photos FOLDER] [--quick] [--json nbs/results/gpu_check.json]

Trains `small` for 200 steps with recorded steps and without (losses, photos per second), stops and resumes a run, colours a folder on both devices
and compares the files, judges the photos, and paints in bfloat16. Without --photos everything is made from scikit-image's sample photos.
--quick does little of everything, also on a machine without a GPU: it shows that the script runs, and its figures mean nothing."""
import argparse, json, subprocess, sys, tempfile, time
from dataclasses import replace
from pathlib import Path
import numpy as np, torch
from PIL import Image
from fastai.callback.core import Callback, CancelFitException, CancelValidException
from letthere_color.core import photo2tensor, rgb2lab, sample_photos
from letthere_color.photos import PhotoCache
from letthere_color.colorization import ModelConfig
from letthere_color.models import load_model, usable_device
from letthere_color.step_graph import StepGraph
from letthere_color.training import colorizer_learner, RECIPES
from letthere_color.runs import train_colorizer
from letthere_color.engines import benchmark_table
from letthere_color.inference import Colorizer
from letthere_color.folders import colorize_files, plan_results
from letthere_color.evaluation import ciede2000
from letthere_color.judging import judge_photos, measured_with

def pieces(n, side, seed=0):
    "Random pieces of the sample photos"
    rng, samples = np.random.default_rng(seed), list(sample_photos().values())
    for i in range(n):
        photo = samples[i % len(samples)].convert('RGB')
        cut = int(rng.integers(128, min(photo.size)))
        x, y = (int(rng.integers(0, s - cut + 1)) for s in photo.size)
        yield photo.crop((x, y, x+cut, y+cut)).resize((side, side))

def cache(n, side):
    photos = torch.from_numpy(np.stack([np.asarray(o) for o in pieces(n, side)]))
    return PhotoCache(photos, torch.arange(n) % 5, [f'class {i}' for i in range(5)])

def finish(device): torch.cuda.synchronize() if device.type == 'cuda' else None

def trained(photos, recipe, device, recorded, warm):
    "Photos per second after the first `warm` steps, the loss on the way, why steps were not recorded, and the weights"
    learn, clock, said = colorizer_learner(photos, photos, recipe, device), [], []
    learn.step_graph.say = said.append
    if not recorded: learn.remove_cb(StepGraph)
    class Clock(Callback):
        order = 60  # after WeightAverage
        def before_validate(self): raise CancelValidException('training alone is measured')
        def after_batch(self):
            clock.append(time.perf_counter())
            if len(clock) in (warm, warm + 1): finish(device); clock[-1] = time.perf_counter()
    learn.metrics = []
    with learn.no_bar(), learn.no_logging(): learn.fit(recipe.epochs, cbs=Clock())
    finish(device)
    speed = recipe.bs*(len(clock) - warm)/(time.perf_counter() - clock[warm-1])
    weights = torch.cat([p.detach().float().cpu().flatten() for p in learn.model.parameters()])
    return dict(photos_per_s=round(speed, 1), loss=[round(float(o), 6) for o in learn.recorder.losses[9::10]], said=said), weights

def training(device, quick):
    bs, n, steps = (8, 32, 12) if quick else (256, 4096, 208)
    r = replace(RECIPES['small'], bs=bs, epochs=steps*bs//n, **(dict(model=ModelConfig(width=.125), size=32, cache_size=40) if quick else {}))
    photos = cache(n, r.cache_size)
    torch.backends.cudnn.benchmark = True
    kinds = dict(ordinary=False, recorded=True)
    found = {k: trained(photos, r, device, o, warm=steps//4) for k, o in kinds.items()}
    (a, wa), (b, wb) = found.values()
    return dict(steps=steps, width=r.model.width, size=r.size, bs=bs, **{k: o for k, (o, _) in found.items()}, ratio=round(b['photos_per_s']/a['photos_per_s'], 2),
                weights_apart=((wa - wb).norm()/wa.norm()).item())

def resumed(device, tmp, quick):
    "A run that was cut off and goes on, beside one that was not: how far apart the weights are, relative to their size"
    r = replace(RECIPES['tiny'], epochs=2, bs=8 if quick else 64, size=32 if quick else 112, cache_size=40 if quick else 128, model=ModelConfig(width=.125))
    photos = cache(8*r.bs, r.cache_size)
    class Cut(Callback):
        def after_batch(self):
            if self.training and self.train_iter == 11: raise CancelFitException('the power is out')
    def run(name, **kw): return train_colorizer(photos, photos, tmp/name, r, device=device, seconds=0, verbose=False, **kw)
    def weights(learn): return torch.cat([p.detach().float().cpu().flatten() for p in learn.model.parameters()])
    whole = weights(run('whole'))
    run('cut', cbs=[Cut()])
    return dict(weights_apart=((weights(run('cut', resume=True)) - whole).norm()/whole.norm()).item())

def lab_of(path): return rgb2lab(photo2tensor(Image.open(path).convert('RGB'), torch.float32))[None]

def folder(source, device, tmp):
    "The folder, by the library after a first photo, and by the command from its start to its end; seconds, and how far the files are apart"
    res, n = {}, len(plan_results(source, tmp/'x'))
    for name in {str(device): 0, 'cpu': 0}:
        colorizer = Colorizer.from_pretrained(device=name)
        colorizer(next(pieces(1, 256)))
        begun = time.perf_counter()
        done = list(colorize_files(colorizer, plan_results(source, tmp/name.replace(':', ''), suffix='.png')))
        res[name] = dict(seconds=round(time.perf_counter() - begun, 2), failed=[o.error for o in done if o.error])
        begun = time.perf_counter()
        subprocess.run([sys.executable, '-m', 'letthere_color.cli', 'colorize', str(source), '-o', str(tmp/f'command {name.replace(":", "")}'), '--device', name, '--json'],
                       check=True, stdout=subprocess.DEVNULL)
        res[name]['command'] = round(time.perf_counter() - begun, 2)
    dirs = [tmp/k.replace(':', '') for k in res]
    apart = [ciede2000(lab_of(p), lab_of(dirs[-1]/p.name)) for p in sorted(dirs[0].iterdir())]
    return dict(photos=n, **res, ciede2000_mean=round(torch.stack([o.mean() for o in apart]).mean().item(), 4), ciede2000_worst=round(max(o.max().item() for o in apart), 3))

def judged(source, device, limit):
    res = {}
    for name in {str(device): 0, 'cpu': 0}:
        colorizer, begun = Colorizer.from_pretrained(device=name), time.perf_counter()
        found = judge_photos(colorizer, source, limit)
        res[name] = dict(seconds=round(time.perf_counter() - begun, 2), psnr=found['methods']['model']['psnr']['mean'])
    return res

def bfloat16(device):
    a, b = (Colorizer.from_pretrained(device=device, dtype=o) for o in (torch.float32, torch.bfloat16))
    apart = [ciede2000(*(rgb2lab(photo2tensor(c(o), torch.float32))[None] for c in (a, b))) for o in pieces(5, 400)]
    whole = Colorizer.from_pretrained(device=device, dtype=torch.bfloat16, size='full')(next(pieces(1, 300)))
    return dict(ciede2000_mean=round(torch.stack([o.mean() for o in apart]).mean().item(), 4), ciede2000_worst=round(max(o.max().item() for o in apart), 3), full=whole.size)

def network(device, quick):
    model = load_model(None, device)
    rows = benchmark_table(dict(seconds=model), [224] if quick else [224, 512, 1024, 2048], device=device)
    return {r['size']: round(r['seconds'], 5) for r in rows}

def show(name, o, indent=0):
    if not isinstance(o, dict): return print(f'{"":{indent}}{name:<{26 - indent}} {o}')
    print(f'{"":{indent}}{name}')
    for k, v in o.items(): show(str(k), v, indent + 2)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--device', default='auto')
    p.add_argument('--photos', type=Path, help='folder of colour photos to colour and to judge')
    p.add_argument('--limit', type=int, default=100, help='photos to judge')
    p.add_argument('--quick', action='store_true')
    p.add_argument('--json', type=Path)
    a = p.parse_args()
    device = usable_device(a.device)
    with tempfile.TemporaryDirectory() as tmp:
        tmp, source = Path(tmp), a.photos
        if not source:
            source = tmp/'photos'; source.mkdir()
            for i, photo in enumerate(pieces(3 if a.quick else 96, 160 if a.quick else 640)): photo.save(source/f'{i:03}.jpg', quality=95)
        checks = dict(training=lambda: training(device, a.quick), resumed=lambda: resumed(device, tmp, a.quick), folder=lambda: folder(source, device, tmp),
                      judged=lambda: judged(source, device, 2 if a.quick else a.limit), bfloat16=lambda: bfloat16(device), network=lambda: network(device, a.quick))
        found = dict(command=' '.join(['python benchmarks/gpu_check.py', *(['--quick']*a.quick), *(['--photos', a.photos.name] if a.photos else [])]), device=str(device))
        for name, check in checks.items():
            try: found[name] = check()
            except Exception as e: found[name] = dict(error=f'{type(e).__name__}: {e}')  # the others are worth knowing
            show(name, found[name]); sys.stdout.flush()
        if a.json: a.json.write_text(json.dumps(found | measured_with(), indent=1) + '\n')
    sys.exit(any('error' in o for o in found.values() if isinstance(o, dict)))

if __name__ == '__main__': main()
