"""Every notebook runs from top to bottom, each in a process of its own.

Cells marked `#| slow` run with `pytest -m slow`; cells marked `#| cuda` too, where there is a GPU. So do the solutions of the exercises."""
import json, re, subprocess, sys
from pathlib import Path

import pytest

nbs = Path(__file__).parent.parent/'nbs'
books = sorted(nbs.glob('*.ipynb'))
slow = [p for p in books if re.search(r'#\|\s*(slow|cuda)\b', p.read_text(encoding='utf-8'))]

RUN = '''
import sys
from pathlib import Path
from nbdev.config import get_config
from nbdev.test import test_nb
cfg = get_config()
ok, _ = test_nb(Path(sys.argv[1]), skip_flags=cfg.tst_flags.split(), force_flags=sys.argv[2:], basepath=cfg.config_path)
sys.exit(not ok)
'''

def solutions(path):
    "The Python code inside `<details>`, as cells"
    text = '\n'.join(''.join(c['source']) for c in json.loads(path.read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'markdown')
    fences = re.findall(r'^( *)```python\n(.*?)^ *```$', '\n'.join(re.findall(r'<details>(.*?)</details>', text, re.S)), re.M | re.S)
    return [re.sub(f'^{indent}', '', code, flags=re.M) for indent,code in fences]

def run(path, *flags):
    r = subprocess.run([sys.executable, '-c', RUN, path, *flags], cwd=path.parent, capture_output=True, text=True)
    if r.returncode: pytest.fail(r.stderr or r.stdout, pytrace=False)

def test_there_are_notebooks(): assert len(books) > 1

@pytest.mark.parametrize('path', books, ids=[p.stem for p in books])
def test_notebook(path): run(path)

@pytest.mark.slow
@pytest.mark.parametrize('path', slow, ids=[p.stem for p in slow])
def test_slow_cells(path):
    import torch
    run(path, 'slow', *['cuda']*torch.cuda.is_available())

@pytest.mark.slow
@pytest.mark.parametrize('path', solved := [p for p in books if solutions(p)], ids=[p.stem for p in solved])
def test_solutions(path, tmp_path):
    for name, o in dict(results=nbs, images=nbs, **{'settings.ini': nbs.parent}).items(): (tmp_path/name).symlink_to(o/name)
    nb = json.loads(path.read_text(encoding='utf-8'))
    nb['cells'] += [dict(cell_type='code', id=f'solution-{i}', metadata={}, execution_count=None, outputs=[], source=o) for i,o in enumerate(solutions(path))]
    (tmp_path/path.name).write_text(json.dumps(nb), encoding='utf-8')
    run(tmp_path/path.name)
