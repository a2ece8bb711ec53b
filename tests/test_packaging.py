"What pip installs: versions agree, the base install is lean, every requirement has a tested version."
import ast, re, subprocess, sys
from configparser import ConfigParser
from pathlib import Path

root = Path(__file__).parent.parent
parser = ConfigParser(delimiters=['='])
parser.read(root/'settings.ini', encoding='utf-8')
cfg = parser['DEFAULT']

def names(reqs): return {re.match(r'[\w.-]+', o)[0].lower().replace('_', '-') for o in reqs.split()}
def python(code): return subprocess.run([sys.executable, '-c', code], cwd=root, capture_output=True, text=True)

def test_version():
    assert python('import letthere_color; print(letthere_color.__version__)').stdout.strip() == cfg['version']

def test_modules_and_notebooks():
    "Each module names its notebook, and that notebook names it; no notebook's module is missing"
    def say(pattern, p): return re.findall(pattern, p.read_text(encoding='utf-8'))
    made_of = {p.stem: say(r'File to edit: \.\./nbs/(\S+\.ipynb)', p) for p in (root/'letthere_color').glob('*.py')}
    assert {name for name, nb in made_of.items() if not nb} == {'__init__', '_modidx'}
    default_exp = {p.name: say(r'#\| *default_exp (\w+)', p) for p in (root/'nbs').glob('*.ipynb')}
    assert {nb[0]: [name] for name, nb in made_of.items() if nb} == {name: exp for name, exp in default_exp.items() if exp}

def test_shipped():
    "The patterns of setup.py take along all weights and pages"
    package, patterns = root/'letthere_color', re.search(r'package_data=.*?: (\[.*\])}', (root/'setup.py').read_text())[1]
    shipped = {p for o in ast.literal_eval(patterns) for p in package.glob(o)}
    assert {p for o in ('weights', 'web') for p in (package/o).rglob('*') if p.is_file()} <= shipped
    assert {package/'weights/small/model.safetensors', package/'web/try.html', package/'web/study/page.html'} <= shipped

def test_base_install_is_lean():
    assert names(cfg['requirements']) == {'torch', 'numpy', 'pillow', 'scikit-image', 'scipy', 'tifffile', 'imagecodecs', 'safetensors',
                                          'huggingface-hub', 'typer', 'rich', 'matplotlib', 'ncnn', 'fastcore'}

def test_dev_holds_train(): assert names(cfg['train_requirements']) < names(cfg['dev_requirements'])

def test_constraints_cover_requirements():
    pins = names('\n'.join(o.split('#')[0] for o in (root/'constraints.txt').read_text().splitlines()))
    free = (names(cfg['requirements']) | names(cfg['dev_requirements'])) - pins
    assert free == {'jupyter'}, 'jupyter only names other packages; everything else needs a tested version'

def test_one_site_configuration():
    link = root/'nbs/_quarto.yml'
    assert link.is_symlink() and link.readlink() == Path('../_quarto.yml')

LIGHT = ('color fast_lab files show core photos low_level global_features fusion color_spaces colorization models metrics metadata '
         'photo_files given inference').split()

def test_light_modules_import_no_fastai():
    r = python(f"""
import importlib, sys
for name in {LIGHT}:
    importlib.import_module(f'letthere_color.{{name}}')
    print(name, *sorted({{'fastai', 'torchvision'}} & sys.modules.keys()))""")
    assert (r.returncode, r.stdout.splitlines()) == (0, LIGHT), r.stderr

def test_toolbox_imports_no_matplotlib():
    r = python("import sys, letthere_color.core; print(*sorted({'fastai', 'torchvision', 'matplotlib'} & sys.modules.keys()))")
    assert (r.returncode, r.stdout.strip()) == (0, ''), r.stderr

def test_cli_imports_no_torch():
    r = python("import sys, letthere_color.cli; print('torch' in sys.modules)")
    assert r.stdout.strip() == 'False', r.stderr

def test_colouring_imports_no_compiler():
    "PyTorch's compiler takes seconds to import, and no photo needs it"
    r = python("import sys; from letthere_color.inference import Colorizer; Colorizer.from_pretrained('tiny'); print('torch._dynamo' in sys.modules)")
    assert r.stdout.strip() == 'False', r.stderr
