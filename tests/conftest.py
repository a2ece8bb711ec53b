"Two workers share the machine: one thread each (set before torch is imported), and one engine on every machine."
import os, shutil, sys

import pytest

for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'): os.environ.setdefault(name, '1')
os.environ.setdefault('LETTHERE_ENGINE', 'torch' if sys.platform == 'darwin' else 'ncnn')

@pytest.fixture(scope='session')
def playwright():
    "One for all test modules of a process: a second one would not start beside the first"
    with pytest.importorskip('playwright.sync_api', reason='pip install -e ".[test]"').sync_playwright() as p: yield p

@pytest.fixture(scope='session')
def chrome():
    "The Chromium or Chrome that is installed"
    found = (shutil.which(o) for o in ('chromium', 'chromium-browser', 'google-chrome', 'chrome'))
    return next(filter(None, found), None) or pytest.skip('no Chromium or Chrome is installed')

@pytest.fixture(scope='session')
def browser(playwright, chrome):
    b = playwright.chromium.launch(executable_path=chrome, args=['--no-sandbox', '--disable-gpu'])
    yield b
    b.close()
