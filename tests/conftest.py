"""What all tests share: a browser with patience, a seed that is printed, and a list of the reasons for which CI may skip.

Two workers share the machine: one thread each, which is set before torch is imported; and one engine on every machine."""
import os, re, shutil, subprocess, sys
from contextlib import suppress
from pathlib import Path

import pytest

for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'): os.environ.setdefault(name, '1')
for name in ('COLUMNS', 'FORCE_COLOR', 'GITHUB_ACTIONS', 'HF_HUB_OFFLINE'): os.environ.pop(name, None)  # they change what is printed, or asked for
os.environ['NO_PROXY'] = os.environ['no_proxy'] = '127.0.0.1,localhost'
os.environ.setdefault('LETTHERE_ENGINE', 'torch' if sys.platform == 'darwin' else 'ncnn')

from helpers import PATIENCE, SEED

# ---- random moments

def pytest_configure(config):
    os.environ['LETTHERE_SEED'] = str(SEED)  # workers of xdist begin after this line and share it
    with suppress(ImportError):
        from hypothesis import HealthCheck, settings
        settings.register_profile('patient', deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
        settings.load_profile('patient')

def pytest_report_header(): return f'random moments: LETTHERE_SEED={SEED}'

def pytest_terminal_summary(terminalreporter, exitstatus):
    if exitstatus: terminalreporter.write_line(pytest_report_header())  # quiet runs have no header

# ---- what CI may skip: all else that is skipped there has failed

MAY_SKIP = {
    'root may write everywhere': 'containers run as root; elsewhere the test runs',
    'workers are processes on Linux only|folders cannot be locked|no pseudo-terminals|there is no (fork|ncnn)': 'the system has no such thing',
    'no GPU': 'CI has none',
}

def judge_skip(report):
    if not (os.environ.get('CI') and report.skipped) or hasattr(report, 'wasxfail'): return
    why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if any(re.search(o, why) for o in MAY_SKIP): return
    report.outcome = 'failed'
    report.longrepr = f'{report.nodeid}: skipped in CI for a reason that MAY_SKIP of tests/conftest.py does not list: {why.removeprefix("Skipped: ")}'

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    judge_skip(report := (yield))
    return report

@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    judge_skip(report := (yield))
    return report

# ---- browsers

class Patient:
    "A browser whose pages wait as long as all tests do"
    def __init__(self, browser): self.browser, self.close = browser, browser.close
    def _waiting(self, o): o.set_default_timeout(PATIENCE*1000); return o
    def new_context(self, **kw): return self._waiting(self.browser.new_context(**kw))
    def new_page(self, **kw): return self._waiting(self.browser.new_page(**kw))

@pytest.fixture(scope='session')
def playwright():
    "One for all test modules of a process: a second one would not start beside the first"
    sync_api = pytest.importorskip('playwright.sync_api', reason='pip install -e ".[test]"')
    sync_api.expect.set_options(timeout=PATIENCE*1000)
    with sync_api.sync_playwright() as p: yield p

@pytest.fixture(scope='session')
def chrome():
    "The Chromium or Chrome that is installed"
    names = 'chromium', 'chromium-browser', 'google-chrome', 'chrome', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'
    return next(filter(None, map(shutil.which, names)), None) or pytest.skip('no Chromium or Chrome is installed (Debian: apt install chromium)')

@pytest.fixture(scope='session')
def launch(playwright, chrome):
    "A function that starts a browser"
    opened = []
    def go(*args):
        b = playwright.chromium.launch(executable_path=chrome, args=['--no-sandbox', *args], timeout=PATIENCE*1000)
        opened.append(b)
        return Patient(b)
    yield go
    for b in opened: b.close()

@pytest.fixture(scope='session')
def browser(launch): return launch('--disable-gpu', '--js-flags=--liftoff-only')  # WebAssembly is compiled once, not a second time for speed

# ---- the page that colours photos

@pytest.fixture(scope='session')
def page_files():
    "The page with its runtime and its network; one of the test processes makes them"
    import fcntl
    from letthere_color.page import page_folder
    root = Path(__file__).parent.parent
    if not os.environ.get('CI') and not shutil.which('npm') and not (page_folder()/'try/assets/model.json').is_file():
        pytest.skip('the page needs npm: install Node.js')
    with open(root/'tools/web/.npmrc') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        r = subprocess.run([sys.executable, root/'tools/web.py'], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return page_folder()
