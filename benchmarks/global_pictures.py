"""Free photos that turn on global features: those on which two networks, with and without them, differ most. Pictures for notebook 08b.

python benchmarks/global_pictures.py WITH WITHOUT --photos FILE ... --panoramas FOLDER [-o nbs/images/global] [--most 6] [--json nbs/results/global_pictures.json]

Every photo is coloured by both, as `letthere colorize` does it; those where the distance to the truth (mean CIEDE2000) changes most become pictures,
whichever of the two is nearer, one view of a panorama at most: truth, with and without, side by side. FOLDER: see free_photos.py."""
import argparse, json, sys
from pathlib import Path

from free_photos import free_photos, lab, side_by_side
from letthere_color.evaluation import ciede2000
from letthere_color.inference import Colorizer
from letthere_color.judging import measured_with
from letthere_color.models import load_model

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('models', type=Path, nargs=2, help='folders of the network with global features and of that without')
p.add_argument('--photos', type=Path, nargs='*', default=[])
p.add_argument('--panoramas', type=Path)
p.add_argument('-o', '--output', type=Path, default=Path('nbs/images/global'))
p.add_argument('--most', type=int, default=6, help='how many become pictures')
p.add_argument('--size', type=int, default=384, help='longest side of what is coloured, in pixels')
p.add_argument('--json', type=Path, default=Path('nbs/results/global_pictures.json'))
a = p.parse_args()

colorizers, found = [Colorizer(load_model(o)) for o in a.models], []
for name, photo in free_photos(a.photos, a.panoramas, size=a.size):
    painted = [o(photo) for o in colorizers]
    one, other = map(lab, painted)
    errors = dict(difference=(one, other), error_with=(one, lab(photo)), error_without=(other, lab(photo)))
    found.append((dict(name=name, **{k: round(ciede2000(*o).mean().item(), 3) for k, o in errors.items()}), [photo, *painted]))
    print(found[-1][0], flush=True)
found.sort(key=lambda o: -abs(o[0]['error_without'] - o[0]['error_with']))
most = {o[0]['name'].split('-')[0] if o[0]['name'][-1].isdigit() else o[0]['name']: o for o in reversed(found)} # one of each panorama
most = sorted(most.values(), key=found.index)[:a.most]
a.output.mkdir(parents=True, exist_ok=True)
for old in a.output.glob('*.jpg'): old.unlink()
for row, pictures in most:
    side_by_side(pictures).save(a.output/f'{row["name"]}.jpg', quality=85)
command = ' '.join(['python benchmarks/global_pictures.py', *(Path(o).name if Path(o).exists() or '/' in o else o for o in sys.argv[1:])])
a.json.write_text(json.dumps(dict(command=command, data=f'{len(found)} free photos', seed=0, **measured_with(), shown=[o['name'] for o, _ in most], photos=[o for o, _ in found]), indent=1) + '\n')
