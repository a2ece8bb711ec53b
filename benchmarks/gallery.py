"""Free photos, coloured, from the best to the worst: the gallery of notebook 08a.

python benchmarks/gallery.py --photos FILE ... --panoramas FOLDER [--model small] [-o nbs/images/gallery] [--json nbs/results/gallery.json]

Every photo that is given becomes a picture, the truth beside what `letthere colorize` makes of it; of each panorama (see free_photos.py), the view
straight ahead. The error is the mean CIEDE2000."""
import argparse, json, sys
from pathlib import Path

from PIL import Image
from free_photos import free_photos, lab
from letthere_color.evaluation import ciede2000, mean_chroma
from letthere_color.inference import Colorizer
from letthere_color.judging import measured_with

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument('--photos', type=Path, nargs='*', default=[])
p.add_argument('--panoramas', type=Path)
p.add_argument('--model', default='small')
p.add_argument('-o', '--output', type=Path, default=Path('nbs/images/gallery'))
p.add_argument('--json', type=Path, default=Path('nbs/results/gallery.json'))
a = p.parse_args()

colorizer, rows = Colorizer.from_pretrained(a.model), []
a.output.mkdir(parents=True, exist_ok=True)
for old in a.output.glob('*.jpg'): old.unlink()
for name, photo in free_photos(a.photos, a.panoramas, directions=[0]):
    painted = colorizer(photo)
    found, true = lab(painted), lab(photo)
    rows.append(dict(name=name, ciede2000=round(ciede2000(found, true).mean().item(), 2), chroma=round(mean_chroma(found), 1), chroma_true=round(mean_chroma(true), 1)))
    print(rows[-1], flush=True)
    strip = Image.new('RGB', (264, 88))  # pieces of three by two, from the middle
    for i, o in enumerate((photo, painted)):
        w = min(o.width, o.height*3/2)
        box = (o.width - w)/2, (o.height - w*2/3)/2, (o.width + w)/2, (o.height + w*2/3)/2
        strip.paste(o.resize((132, 88), Image.Resampling.LANCZOS, box), (132*i, 0))
    strip.save(a.output/f'{name}.jpg', quality=75)
command = ' '.join(['python benchmarks/gallery.py', *(Path(o).name if '/' in o else o for o in sys.argv[1:])])
a.json.write_text(json.dumps(dict(command=command, model=a.model, seed=0, **measured_with(), photos=sorted(rows, key=lambda o: o['ciede2000'])), indent=1) + '\n')
