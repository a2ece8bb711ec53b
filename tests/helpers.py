"What many tests need: the command in this process, warm processes of their own, random moments, and patience."
import io, itertools, os, random, secrets, signal, subprocess, sys, traceback
from contextlib import chdir, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from multiprocessing import get_context
from types import SimpleNamespace
from unittest.mock import patch

PATIENCE = 600 # Seconds that an event may take to come: ends a test that hangs, and is no measure of speed
SEED = int(os.environ.get('LETTHERE_SEED') or secrets.randbits(32)) # pytest prints it

def seeded(name): # One's own for each test
    "Random numbers that LETTHERE_SEED=... brings back"
    return random.Random(f'{SEED} {name}')

# ---- the command

COMMAND = 'import sys; from letthere_color.cli import main; sys.argv[0] = "letthere"; main()'

def _stream(data=b''): return io.TextIOWrapper(io.BytesIO(data), encoding='utf-8', newline='', write_through=True)

def letthere(cwd, *args, input=b''):
    "`letthere ARGS` in this process, which has imported everything already: returncode, stdout and stderr, as of subprocess.run"
    from letthere_color.cli import main
    out, err, code = _stream(), _stream(), 0
    with chdir(cwd), patch('sys.argv', ['letthere', *map(str, args)]), patch('sys.stdin', _stream(input)), redirect_stdout(out), redirect_stderr(err):
        try: main()
        except SystemExit as e: code = e.code or 0
        except BaseException: traceback.print_exc(); code = 1
    text = SimpleNamespace(returncode=code, bytes=out.buffer.getvalue(), stderr=err.buffer.getvalue().decode())
    text.stdout = text.bytes.decode(errors='replace')
    return text

def letthere_process(cwd, *args, first='', text=True, **kw):
    "The same in a fresh Python, for what only that shows: imports, pipes, signals. `first` is code that runs before"
    return subprocess.run([sys.executable, '-c', first + COMMAND, *map(str, args)], cwd=cwd, text=text, timeout=PATIENCE,
                          **(dict(capture_output=True) | kw))

def fails(cwd, *args, says):
    "The command ends with code 1 and one line on standard error, which holds each of `says`; no file is written or changed"
    before = {p: p.read_bytes() for p in cwd.rglob('*') if p.is_file()}
    r = letthere(cwd, *args)
    assert r.returncode == 1 and 'Traceback' not in r.stderr, r.stderr
    assert len(r.stderr.strip().splitlines()) == 1, r.stderr
    for o in says: assert o in r.stderr, r.stderr
    assert {p: p.read_bytes() for p in cwd.rglob('*') if p.is_file()} == before, 'something was written or changed'

# ---- processes

WARM = ['torch', 'torch._dynamo', 'fastai.learner', 'fastai.callback.all', 'skimage.color', 'skimage.data', 'sklearn.datasets', 'tifffile', 'imagecodecs',
        'safetensors.torch', 'huggingface_hub', 'nbdev.test', 'ipywidgets']

def start(target, *args, **kw):
    "A process that runs `target`, of a module of the tests, soon: it is forked from a server that has imported the libraries, but nothing of ours"
    ctx = get_context('forkserver' if sys.platform == 'linux' else 'spawn')
    if sys.platform == 'linux': ctx.set_forkserver_preload(WARM)
    ours, theirs = ctx.Pipe()
    p = ctx.Process(target=_begin, args=(theirs, target, args, kw))
    p.start(); theirs.close()
    p.conn = ours
    return p

def _begin(conn, target, args, kw):
    global line
    line = conn
    target(*args, **kw)

def ended(p):
    "Wait until a started process and all that it has forked have ended; its exit code"
    try:
        while p.conn.poll(PATIENCE): p.conn.recv()
        raise AssertionError('it does not end')
    except EOFError: p.join(PATIENCE)
    return p.exitcode

def hear(p):
    "What a started process has said by `line.send`"
    assert p.conn.poll(PATIENCE), 'nothing is said'
    return p.conn.recv()

def run_book(path, said, flags):
    "Runs the cells of a notebook; what they and nbdev say goes into the file `said`, the exit code tells of errors"
    with open(said, 'w') as f:
        for o in (1, 2): os.dup2(f.fileno(), o)
    sys.argv[1:] = []
    from nbdev.config import get_config
    from nbdev.test import test_nb
    os.chdir(path.parent)
    cfg = get_config()
    ok, _ = test_nb(path, skip_flags=cfg.tst_flags.split(), force_flags=flags, basepath=cfg.config_path)
    sys.exit(not ok)

HOME = os.path.dirname(find_spec('letthere_color').origin)

def _each_call(act):
    "From now on `act` is called whenever our code, or that of torch.save, calls or is called"
    def look(frame, event, arg):
        where = frame.f_code.co_filename
        saving = where.endswith('torch/serialization.py') and frame.f_code.co_name != 'persistent_id'  # of that there are too many
        if 'call' in event and (saving or where.startswith(HOME)): act()
    sys.setprofile(look)

def n_calls(f, *args, **kw):
    "How many such calls there are while `f` runs"
    n = itertools.count()
    _each_call(lambda: next(n))
    try: f(*args, **kw)
    finally: sys.setprofile(None)
    return next(n)

def _killed(when, f, args, kw):
    me = os.getpid()
    _each_call(lambda: when() and os.kill(me, signal.SIGKILL))
    f(*args, **kw)
    os.kill(me, signal.SIGKILL)

def killed_at_call(n, f, *args, **kw):
    "Runs `f` in a process that ends as by `kill -9`: at the n-th such call, its own or a worker's; at the latest when all is done"
    left = itertools.count(n, -1)
    _killed(lambda: next(left) <= 0, f, args, kw)

def killed_when_there(folder, pattern, f, *args, **kw):
    "The same at the first such call at which the folder holds such a file"
    _killed(lambda: any(folder.rglob(pattern)), f, args, kw)
