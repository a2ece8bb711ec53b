"""Every notebook runs from top to bottom, each in a process of its own that has the libraries, but nothing of ours, in memory.

Cells marked `#| slow` run with `pytest -m slow`; cells marked `#| cuda` too, where there is a GPU. So do the solutions of the exercises."""
import json, re, sys
from pathlib import Path
from textwrap import indent

import pytest
from helpers import ended, run_book, start

nbs = Path(__file__).parent.parent/'nbs'
sys.path.insert(0, str(nbs.parent/'tools'))
import proof

books = sorted(nbs.glob('*.ipynb'))
slow = [p for p in books if re.search(r'#\|\s*(slow|cuda)\b', p.read_text(encoding='utf-8'))]

def solutions(path):
    "The hidden solutions with code: `(text, code)`"
    text = '\n'.join(''.join(c['source']) for c in json.loads(path.read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'markdown')
    return [(solution, '\n'.join(pieces)) for solution, pieces in proof.solutions(text)]

LISTEN = """import contextlib, io
with contextlib.redirect_stdout(io.StringIO()) as said:
{}
open('said-{}', 'w').write(said.getvalue())
"""

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
    "The code of the hidden solutions runs at the end of its notebook, and prints the numbers that their texts claim"
    for name, o in dict(results=nbs, images=nbs, **{'settings.ini': nbs.parent}).items(): (tmp_path/name).symlink_to(o/name)
    nb = json.loads(path.read_text(encoding='utf-8'))
    solved, cells, facts = solutions(path), list(nb['cells']), proof.facts(nbs.parent)
    nb['cells'] += [dict(cell_type='code', id=f'solution-{i}', metadata={}, execution_count=None, outputs=[], source=LISTEN.format(indent(code, '    '), i))
                    for i, (_, code) in enumerate(solved)]
    (tmp_path/path.name).write_text(json.dumps(nb), encoding='utf-8')
    run(tmp_path/path.name, tmp_path)
    wrong = [f'solution {i}: {o}' for i, (text, _) in enumerate(solved) for o in proof.of_solution(text, (tmp_path/f'said-{i}').read_text(), cells, facts)]
    assert not wrong, '\n'.join(wrong)
