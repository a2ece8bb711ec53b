"""Free photos that networks trained alike colour differently: for each of ours' rivals the photo on which the two differ most. (notebook 13)

python benchmarks/comparison_pictures.py RUNS --photos FILE ... [--panoramas FOLDER] [-o nbs/images/comparison] [--json nbs/results/comparison_pictures.json]

RUNS: the folder of train_comparison.py. Every photo is coloured by each network, as `letthere colorize` does it; where the distance to the truth (mean
CIEDE2000) differs most between a rival and ours, whichever is nearer, all results become a strip: truth, ours, rivals. FOLDER: see free_photos.py."""
import argparse, json, sys
from pathlib import Path

from free_photos import free_photos, lab, side_by_side
from letthere_color.evaluation import ciede2000
from letthere_color.inference import Colorizer
from letthere_color.judging import measured_with
from letthere_color.models import load_model

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('runs', type=Path)
p.add_argument('--photos', type=Path, nargs='*', default=[])
p.add_argument('--panoramas', type=Path)
p.add_argument('--rivals', nargs='+', default=['no_global', 'unet', 'zhang'])
p.add_argument('-o', '--output', type=Path, default=Path('nbs/images/comparison'))
p.add_argument('--json', type=Path, default=Path('nbs/results/comparison_pictures.json'))
a = p.parse_args()

names = ['ours', *a.rivals]
colorizers, rows, pictures = {o: Colorizer(load_model(a.runs/o)) for o in names}, [], {}
for name, photo in free_photos(a.photos, a.panoramas):
    painted = {k: c(photo) for k, c in colorizers.items()}
    rows.append(dict(name=name, errors={k: round(ciede2000(lab(o), lab(photo)).mean().item(), 2) for k, o in painted.items()}))
    pictures[name] = [photo, *painted.values()]
    print(rows[-1], flush=True)
shown = {} # rival: photo
for rival in a.rivals:
    left = [o for o in rows if o['name'] not in shown.values()]
    shown[rival] = max(left, key=lambda o: abs(o['errors'][rival] - o['errors']['ours']))['name']
a.output.mkdir(parents=True, exist_ok=True)
for old in a.output.glob('*.jpg'): old.unlink()
for name in shown.values():
    side_by_side(pictures[name]).save(a.output/f'{name}.jpg', quality=85)
command = ' '.join(['python benchmarks/comparison_pictures.py', *(Path(o).name if '/' in o else o for o in sys.argv[1:])])
a.json.write_text(json.dumps(dict(command=command, data=f'{len(rows)} free photos', seed=0, **measured_with(), networks=names, shown=shown, photos=rows), indent=1) + '\n')
