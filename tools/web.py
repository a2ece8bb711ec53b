"""Gather what the page in letthere_color/web needs and git does not hold: `python tools/web.py`

The runtime comes from the package onnxruntime-web (tools/web/package.json, by npm), the network from the model `tiny`, the
presets from its styles, the sample photo from scikit-image. All of it goes into letthere_color/web/try/assets/, and from
there into a wheel. `tools/book.py site` copies the page into the site.
"""
import argparse, json, os, shutil, subprocess, sys, tempfile
from pathlib import Path

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root))

PACKAGE, PAGE = root/'tools/web', root/'letthere_color/web'
ASSETS = PAGE/'try/assets'
RUNTIME = 'ort.wasm.bundle.min.mjs', 'ort-wasm-simd-threaded.wasm'
MODEL, NAME = 'tiny', 'try.html'

def _runtime():
    "The folder of onnxruntime-web's files, of the version that is asked for; npm fetches them"
    wanted = json.loads((PACKAGE/'package.json').read_text())['dependencies']['onnxruntime-web']
    have = PACKAGE/'node_modules/onnxruntime-web'
    if not (have/'package.json').is_file() or json.loads((have/'package.json').read_text())['version'] != wanted:
        if not (npm := shutil.which('npm')):
            sys.exit('The page that colours photos needs onnxruntime-web, which npm fetches: install Node.js (https://nodejs.org, or `apt install npm`).')
        r = subprocess.run([npm, 'ci', '--omit=dev'], cwd=PACKAGE, capture_output=True, text=True)
        if r.returncode: sys.exit(f'npm could not fetch onnxruntime-web:\n{r.stderr.strip()[-2000:]}')
    return have/'dist'

def _about(files):
    "What the page must know of the network: model.json"
    from letthere_color import __version__
    from letthere_color.models import load_model
    from letthere_color.models import load_styles
    from letthere_color.metadata import label_xmp
    model, styles = load_model(MODEL), load_styles(MODEL)
    presets = {name: [round(x, 4) for x in features] for name, features in zip(styles.names, styles.features.tolist())}
    return dict(files={p.name: p.stat().st_size for p in files}, class_names=model.config.class_names, styles=presets,
                n_features=model.global_features.nf, global_size=model.config.global_size,
                note=label_xmp(b'', (f'letthere_color {MODEL}', __version__)).decode())

def build():
    "Write all assets; the folder appears when it is whole"
    from letthere_color.models import load_model
    from letthere_color.core import sample_photos
    from letthere_color.onnx_files import export_onnx
    dist = _runtime()
    with tempfile.TemporaryDirectory(dir=PAGE) as tmp:
        new = Path(tmp)/'assets'; new.mkdir()
        for name in RUNTIME: shutil.copy(dist/name, new/name)
        network = export_onnx(load_model(MODEL), new/'model.onnx', half=True)
        (new/'model.json').write_text(json.dumps(_about([new/RUNTIME[1], network])))
        sample_photos()['rocket'].convert('L').save(new/'sample.jpg', quality=92)
        shutil.rmtree(ASSETS, ignore_errors=True)
        os.replace(new, ASSETS)

def _current():
    "Are the assets there, and newer than all that they are made from?"
    made_from = [PACKAGE/'package.json', *(root/f'letthere_color/{o}.py' for o in ('fast', 'onnx_files')), Path(__file__), *(root/'letthere_color/weights').glob(f'{MODEL}/*')]
    return (ASSETS/'model.json').is_file() and (ASSETS/'model.json').stat().st_mtime >= max(p.stat().st_mtime for p in made_from)

def ensure():
    "Build the assets, if need be"
    if not _current(): build()

def copy_to(site, home):
    "The page beside the pages of a site; `home` is the site's address"
    ensure()
    shutil.copytree(PAGE, site, dirs_exist_ok=True, ignore=shutil.ignore_patterns('study'))  # its page has blanks to be filled
    page = site/NAME
    page.write_text(page.read_text().replace(f'href="{home}/', 'href="'))

if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.parse_args()
    ensure()
    size = sum(p.stat().st_size for p in ASSETS.iterdir())
    print(f'The page is complete ({size/1e6:.1f} MB): letthere serve')
