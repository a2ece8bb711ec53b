"The rules of the house (tools/rules.py) find what they are to find; that the book keeps them is checked by `tools/book.py check`."
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent/'tools'))
import rules
from conftest import judge_skip

def cells(*sources): return [dict(cell_type='code', id=f'{i:08}', source=o) for i, o in enumerate(sources)]

EXPORT, SHOWN, HIDDEN, IMPORTS = '#| export\ndef f(): pass', 'f()', '#| hide\nassert f() is None', '#| export\nimport os\nfrom pathlib import Path'
PROSE = [dict(cell_type='markdown', id='prose', source='why')]

@pytest.mark.parametrize('row, wrong', [
    ([EXPORT, EXPORT, SHOWN, EXPORT, EXPORT], []),
    ([IMPORTS, EXPORT, EXPORT], []),
    ([EXPORT, EXPORT, HIDDEN, EXPORT], ['in a row']),
    (['#| exports\nx = 1', '#| hide\n#| export\ny = 2', EXPORT, EXPORT], ['4 exported cells in a row']),
    (['#| export\n' + 'x = 1\n'*30 + 'x = 2'], ['31 lines']),
    (['#| export\n' + 'x = 1\n'*29 + 'x = 2'], []),
    (['#| export\nx = "' + 'a'*120 + '"'], ['126 columns']),
    (['x = "' + 'a'*120 + '"'], []),
])
def test_cells(row, wrong):
    found = list(rules.of_cells(cells(*row)))
    assert len(found) == len(wrong) and all(w in o for w, o in zip(wrong, found)), found

def test_prose_does_not_break_a_row():
    row = cells(EXPORT, EXPORT, EXPORT)
    assert list(rules.of_cells(row[:2] + PROSE + row[2:]))

@pytest.mark.parametrize('text, wrong', [
    ('from .core import f\nfrom os import _exit\nimport torch\n', []),
    ('from .core import _f\n', ['_f of core']),
    ('from . import core\nx = core._f\n', ['core._f is private']),
    ('from .cli import main\n', ['imports cli']),
    ('from . import cli, __version__\n', ['imports cli']),
    ('def f():\n    from .cli import main\n', ['imports cli']),
    ('x = 1\n'*301, ['301 lines']),
])
def test_module(text, wrong):
    found = list(rules.of_module(text, {'core'}, {'cli'}))
    assert len(found) == len(wrong) and all(w in o for w, o in zip(wrong, found)), found

@pytest.mark.parametrize('ci, why, outcome', [('true', 'no Chromium or Chrome is installed', 'failed'), ('true', 'root may write everywhere', 'skipped'),
                                              ('', 'no Chromium or Chrome is installed', 'skipped')])
def test_skips(monkeypatch, ci, why, outcome):
    "In CI only what conftest.py lists may be skipped"
    monkeypatch.setenv('CI', ci)
    report = SimpleNamespace(nodeid='a', skipped=True, outcome='skipped', longrepr=('a.py', 1, f'Skipped: {why}'))
    judge_skip(report)
    assert report.outcome == outcome and (outcome == 'skipped' or why in report.longrepr)
