"""Memory and time of colouring large TIFF files (notebook 07)

python benchmarks/large_photo.py [--megapixels 10 100] [--json nbs/results/large_photo.json]
Each file is generated, compressed and coloured from file to file in a process of its own; peak resident memory is that of the process, with all libraries."""
import argparse, json, platform, resource, subprocess, sys, tempfile, time
from datetime import date
from pathlib import Path

KINDS = {'grey, 8 bits': (1, 'uint8', {}), 'RGB, 8 bits': (3, 'uint8', {}), 'grey, 16 bits': (1, 'uint16', {}), 'RGB, 16 bits': (3, 'uint16', {}),
         'grey, 16 bits, size=full': (1, 'uint16', dict(size='full'))}

def colour(source, result, options):
    "In the process that is measured"
    from letthere_color.inference import Colorizer
    colorizer = Colorizer.from_pretrained(**options)
    start = time.perf_counter()
    colorizer.colorize_file(source, result)
    print(json.dumps(dict(seconds=time.perf_counter() - start, peak_gb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024**2)))

def generate(path, megapixels, channels, dtype):
    "A photo with structure and grain, made row by row"
    import numpy as np, tifffile
    w, h, top, rng = 12_500, megapixels*80, np.iinfo(dtype).max, np.random.default_rng(0)
    x = np.arange(w)
    def strips(rows=64):
        for y in range(0, h, rows):
            rows = min(rows, h - y)
            base = .5 + .3*np.sin(x/300)*np.cos((y + np.arange(rows)[:,None])/200)
            grain = rng.normal(0, .01, (rows, w, channels))
            yield ((base[..., None] + grain).clip(0, 1)*top).astype(dtype).tobytes()
    import zlib
    tifffile.imwrite(path, (zlib.compress(s, 1) for s in strips()), shape=(h, w, channels) if channels > 1 else (h, w), dtype=dtype, rowsperstrip=64,
                     compression='zlib', photometric='rgb' if channels > 1 else 'minisblack', metadata=None)

def measure(kind, megapixels, folder):
    channels, dtype, options = KINDS[kind]
    source = folder/'in.tif'
    generate(source, megapixels, channels, dtype)
    r = subprocess.run([sys.executable, __file__, '--colour', source, folder/'out.tif', json.dumps(options)], capture_output=True, text=True, check=True)
    for p in folder.iterdir(): p.unlink()
    return json.loads(r.stdout)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--megapixels', type=int, nargs=2, default=[10, 100], metavar=('SMALL', 'LARGE'))
    p.add_argument('--kinds', nargs='+', default=list(KINDS))
    p.add_argument('--json', type=Path)
    a = p.parse_args()
    rows = []
    for kind in a.kinds:
        with tempfile.TemporaryDirectory() as d: small, large = (measure(kind, mp, Path(d)) for mp in a.megapixels)
        per = [o['seconds']/mp for o, mp in zip((small, large), a.megapixels)]
        rows.append(dict(kind=kind, megapixels=a.megapixels[1], peak_gb=round(large['peak_gb'], 3), peak_gb_small=round(small['peak_gb'], 3),
                         seconds_per_megapixel=round(per[1], 3), ratio=round(per[1]/per[0], 3)))
        print(rows[-1], flush=True)
    import torch
    commit = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
    found = dict(command='python benchmarks/large_photo.py', threads=torch.get_num_threads(), machine=platform.machine(), torch=torch.__version__,
                 python=platform.python_version(), date=str(date.today()), commit=commit, rows=rows)
    if a.json: a.json.write_text(json.dumps(found, indent=1) + '\n')

if __name__ == '__main__':
    if sys.argv[1:2] == ['--colour']: colour(sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))
    else: main()
