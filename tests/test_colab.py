"""The notebooks in Colab, by a stand-in: a module google.colab, this repository in GitHub's place, and another folder for /content.

`pytest -m slow -n 0 tests/test_colab.py` runs each chapter as Colab does: with Colab's versions on Python 3.12, alone in an empty folder. It makes
that environment first, in quarter of an hour; `.ci/elsewhere prepare DIR` makes it once, and COLAB_PYTHON=DIR/3.12/bin/python says where it is."""
import json, os, subprocess, sys
from pathlib import Path

import pytest

root = Path(__file__).parent.parent
books = sorted((root/'nbs').glob('[0-9]*.ipynb'))
pytestmark = pytest.mark.skipif(not (root/'.git').exists(), reason='clones this repository')

def setup_cell(path):
    return next(''.join(c['source']) for c in json.loads(path.read_text(encoding='utf-8'))['cells'] if 'google.colab' in ''.join(c['source']))

@pytest.fixture
def colab(tmp_path):
    "An environment in which Python takes itself for Colab's; folders `empty`, `content`"
    for d in ('empty', 'content', 'fake/google/colab'): (tmp_path/d).mkdir(parents=True)
    (tmp_path/'fake/google/colab/__init__.py').touch()
    (tmp_path/'fake/sitecustomize.py').write_text('import google.colab')
    env = {k: v for k,v in os.environ.items() if k not in ('PYTHONPATH', 'LETTHERE_ENGINE')}  # it chooses an engine, as it does there
    return env | dict(PYTHONPATH=str(tmp_path/'fake'), GIT_CONFIG_COUNT='1', GIT_CONFIG_KEY_0=f'url.{root.as_uri()}.insteadOf',
                      GIT_CONFIG_VALUE_0='https://github.com/letthere-color/letthere_color', IPYTHONDIR=str(tmp_path/'ipython'))

RUN = '''
import os, sys
from IPython.core.interactiveshell import InteractiveShell
for _ in range(2): InteractiveShell.instance().run_cell(sys.argv[1]).raise_error()
print('now in', os.getcwd())
'''

def run_cell(cell, cwd, env):
    r = subprocess.run([sys.executable, '-c', RUN, cell], cwd=cwd, env=env, capture_output=True, text=True)
    assert r.returncode == 0 and 'fatal' not in r.stdout + r.stderr, r.stdout + r.stderr
    return Path(r.stdout.split('now in ')[1].strip())

@pytest.mark.parametrize('path', books, ids=[p.stem for p in books])
def test_every_chapter_has_the_cell(path): assert setup_cell(path) == setup_cell(books[0])

def test_cell(colab, tmp_path):
    "Fetches and installs once, then works beside results and images; a second run of the cell does no harm"
    (tmp_path/'fake/pip.py').write_text(f'import sys; open({str(tmp_path/"pip.log")!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")')
    cwd = run_cell(setup_cell(books[0]).replace('/content', str(tmp_path/'content')), tmp_path/'empty', colab)
    assert cwd == tmp_path/'content/book/nbs' and any(cwd.glob('results/*.json')) and any(cwd.glob('images/*'))
    assert (tmp_path/'pip.log').read_text().splitlines() == ['list --format=freeze --exclude letthere_color', f'install -q -c {tmp_path}/content/here.txt {cwd.parent}[train,onnx,video]']*2

def test_cell_elsewhere(colab, tmp_path):
    assert run_cell(setup_cell(books[0]), tmp_path/'empty', {**colab, 'PYTHONPATH': ''}) == tmp_path/'empty'
    assert not any((tmp_path/'empty').iterdir())

def versions(python):
    "What is installed: `{name: version}`"
    r = subprocess.run([python, '-m', 'pip', 'list', '--format=json'], capture_output=True, text=True, check=True)
    return {o['name'].lower(): o['version'] for o in json.loads(r.stdout)}

@pytest.fixture(scope='session')
def machine(tmp_path_factory):
    "Python of an environment as Colab's"
    if python := os.environ.get('COLAB_PYTHON'): return Path(python)
    d = tmp_path_factory.mktemp('machine')
    subprocess.run([root/'.ci/elsewhere', 'prepare', d], check=True)
    return d/'3.12/bin/python'

@pytest.mark.slow
@pytest.mark.parametrize('path', books, ids=[p.stem for p in books])
def test_chapter_alone(path, machine, colab, tmp_path):
    text = path.read_text(encoding='utf-8').replace('/content', str(tmp_path/'content'))
    (tmp_path/'empty'/path.name).write_text(text, encoding='utf-8')
    env = colab | dict(PATH=f'{machine.parent}{os.pathsep}{os.environ["PATH"]}', MPLBACKEND='module://matplotlib_inline.backend_inline')
    before = versions(machine)
    r = subprocess.run([machine, root/'tests/execute.py', path.name], cwd=tmp_path/'empty', env=env, capture_output=True, text=True)
    if r.returncode: pytest.fail(r.stderr[max(0, r.stderr.find('following cell')):][:2000] + r.stderr[-2000:], pytrace=False)
    after = versions(machine)
    assert 'letthere_color' in after and {n: after.get(n) for n in before} == before, 'the cell changed what Colab has'
