"Two workers share the machine: one thread each (set before torch is imported)."
import os

import pytest

for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'): os.environ.setdefault(name, '1')

@pytest.fixture(scope='session')
def playwright():
    "One for all test modules of a process: a second one would not start beside the first"
    with pytest.importorskip('playwright.sync_api', reason='pip install -e ".[test]"').sync_playwright() as p: yield p
