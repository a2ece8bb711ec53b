"""Every notebook runs from top to bottom, each in a process of its own that has the libraries, but nothing of ours, in memory.

Cells marked `#| slow` run with `pytest -m slow`; cells marked `#| cuda` too, where there is a GPU. So do the solutions of the exercises."""
import json, re
from pathlib import Path

import pytest
from helpers import ended, run_book, start

nbs = Path(__file__).parent.parent/'nbs'
books = sorted(nbs.glob('*.ipynb'))
slow = [p for p in books if re.search(r'#\|\s*(slow|cuda)\b', p.read_text(encoding='utf-8'))]

def solutions(path):
    "The Python code inside `<details>`, as cells"
    text = '\n'.join(''.join(c['source']) for c in json.loads(path.read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'markdown')
    fences = re.findall(r'^( *)```python\n(.*?)^ *```$', '\n'.join(re.findall(r'<details>(.*?)</details>', text, re.S)), re.M | re.S)
    return [re.sub(f'^{indent}', '', code, flags=re.M) for indent,code in fences]

def run(path, tmp_path, *flags):
    p = start(run_book, path, tmp_path/'said', flags)
    if ended(p): pytest.fail((tmp_path/'said').read_text(errors='replace') or f'exit code {p.exitcode}', pytrace=False)

def test_there_are_notebooks(): assert len(books) > 1

@pytest.mark.parametrize('path', books, ids=[p.stem for p in books])
def test_notebook(path, tmp_path): run(path, tmp_path)

@pytest.mark.slow
@pytest.mark.parametrize('path', slow, ids=[p.stem for p in slow])
def test_slow_cells(path, tmp_path):
    import torch
    run(path, tmp_path, 'slow', *['cuda']*torch.cuda.is_available())

@pytest.mark.slow
@pytest.mark.parametrize('path', solved := [p for p in books if solutions(p)], ids=[p.stem for p in solved])
def test_solutions(path, tmp_path):
    for name, o in dict(results=nbs, images=nbs, **{'settings.ini': nbs.parent}).items(): (tmp_path/name).symlink_to(o/name)
    nb = json.loads(path.read_text(encoding='utf-8'))
    nb['cells'] += [dict(cell_type='code', id=f'solution-{i}', metadata={}, execution_count=None, outputs=[], source=o) for i,o in enumerate(solutions(path))]
    (tmp_path/path.name).write_text(json.dumps(nb), encoding='utf-8')
    run(tmp_path/path.name, tmp_path)
