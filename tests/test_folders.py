"Folders of photos: killed at any moment, finished by the same command."
import fcntl, gc, os, shutil, signal, subprocess, sys
from multiprocessing import active_children
from pathlib import Path

import pytest
from PIL import Image
from helpers import COMMAND, ended, hear, killed_at_call, killed_when_there, n_calls, PATIENCE, seeded, start
from letthere_color.core import sample_photos
from letthere_color.folders import colorize_files, plan_results
from letthere_color.inference import Colorizer
from toy_run import colour_all, colour_together, write_held

@pytest.fixture(scope='module')
def album(tmp_path_factory):
    folder = tmp_path_factory.mktemp('album')
    for i, (name, p) in enumerate(list(sample_photos().items())*2):
        place = folder/f'{i % 3}'; place.mkdir(exist_ok=True)
        p.resize((160, 120 + 8*i)).convert('L').save(place/f'{name}{i}.{["jpg", "png"][i % 2]}')
    return folder

def files(folder): return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}

@pytest.mark.parametrize('kills', [5, pytest.param(50, marks=pytest.mark.slow)])
def test_killed(tmp_path, album, kills):
    "Once while a photo is being written, then at any moment after the network is loaded: each result is whole, or not there"
    out, rng = tmp_path/'out', seeded(f'folders {kills}')
    end, loaded = n_calls(colour_all, album, tmp_path/'whole'), n_calls(Colorizer.from_pretrained, 'tiny')
    whole, originals = files(tmp_path/'whole'), files(album)
    assert sorted(whole) == sorted(originals)
    for i in range(kills):
        for name in rng.sample(sorted(whole), rng.randrange(1, len(whole))): (out/name).unlink(missing_ok=True)  # or soon all were done
        how = (killed_at_call, rng.randrange(loaded, end)) if i else (killed_when_there, out, '*.letthere-part')
        assert ended(start(*how, colour_all, album, out)) == -signal.SIGKILL
        left = files(out) if out.exists() else {}
        for name in left.keys() & whole: assert left[name] == whole[name], f'{name} is there, but not whole'
        assert i or left.keys() - whole, 'nothing was half written'
    colour_all(album, out)
    assert files(out) == whole and files(album) == originals

def test_links_to_nothing_and_pipes_are_told(tmp_path):
    (tmp_path/'in').mkdir()
    sample_photos()['coffee'].resize((60, 40)).save(tmp_path/'in/a.jpg')
    (tmp_path/'in/lost.jpg').symlink_to('nowhere.jpg'); os.mkfifo(tmp_path/'in/pipe.jpg')
    done = {o.photo.name: o for o in colorize_files(Colorizer.from_pretrained('tiny'), plan_results(tmp_path/'in', tmp_path/'out'))}
    assert {k: o.status for k, o in done.items()} == {'a.jpg': 'coloured', 'lost.jpg': 'failed', 'pipe.jpg': 'failed'}
    assert 'no such file' in done['lost.jpg'].error and 'is a pipe' in done['pipe.jpg'].error

@pytest.fixture
def begun(tmp_path, album):
    "The command, at work on 300 photos. It can't end: after a few lines it waits until somebody reads what it says"
    many, photo = tmp_path/'many', next(album.rglob('*.jpg'))
    many.mkdir()
    for i in range(300): os.link(photo, many/f'{i}.jpg')
    run = subprocess.Popen([sys.executable, '-c', COMMAND, 'colorize', many, '-o', tmp_path/'out', '--model', 'tiny'],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1, start_new_session=True,
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))  # also where a shell has ignored it
    fcntl.fcntl(run.stdout, fcntl.F_SETPIPE_SZ, 4096)  # 300 lines are ten times as much
    run.first = os.read(run.stdout.fileno(), 10).decode()
    yield run
    if run.poll() is None: os.killpg(run.pid, signal.SIGKILL); run.wait()

def reported(run, tmp_path): 
    out, err = run.communicate(timeout=PATIENCE)  # ends when the workers, too, have let go of the pipe
    assert (run.first + out).count(' -> ') == len(list((tmp_path/'out').iterdir())) < 300
    return err

@pytest.mark.skipif(sys.platform != 'linux', reason='workers are processes on Linux only')
@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
def test_workers_end_with_the_run(tmp_path, begun, how):
    "After Ctrl-C or `kill` each result has been reported"
    if how == signal.SIGINT: os.killpg(begun.pid, how)  # as a terminal does
    else: begun.send_signal(how)
    err = reported(begun, tmp_path)
    assert begun.returncode == 130 and err.strip().startswith('letthere: stopped') and 'Traceback' not in err

@pytest.mark.skipif(sys.platform != 'linux', reason='workers are processes on Linux only')
def test_no_worker_is_left(tmp_path, begun):
    "After `kill -9`"
    begun.kill()
    begun.communicate(timeout=PATIENCE)
    assert begun.returncode == -signal.SIGKILL and len(list((tmp_path/'out').iterdir())) < 300

@pytest.mark.skipif(sys.platform != 'linux', reason='workers are processes on Linux only')
def test_all_are_told_to_end(tmp_path, begun):
    "As `timeout` and service managers do it"
    os.killpg(begun.pid, signal.SIGTERM)
    _, err = begun.communicate(timeout=PATIENCE)
    assert begun.returncode == 130 and err == 'letthere: stopped; the same command goes on with what is left\n'

@pytest.mark.skipif(sys.platform != 'linux', reason='workers are processes on Linux only')
def test_killed_worker(tmp_path, album):
    "A run whose worker is killed ends, names the photos that were in work, and can go on"
    plan = plan_results([album], tmp_path, recursive=True)
    run = colorize_files(Colorizer.from_pretrained('tiny'), plan, processes=True)
    with pytest.raises(ChildProcessError, match='killed a worker.*in work were .*(jpg|png)'):
        for _ in run: active_children()[0].kill()
    assert len(list(colorize_files(Colorizer.from_pretrained('tiny'), plan, processes=True))) == len(plan) == len(files(tmp_path))

def test_processes_or_threads(tmp_path, album):
    for processes in (True, False): list(colorize_files(Colorizer.from_pretrained('tiny'), plan_results([album], tmp_path/f'{processes}', recursive=True), processes=processes))
    assert len(files(tmp_path/'True')) == len(files(album)) and files(tmp_path/'True') == files(tmp_path/'False')

def test_left_by_a_killed_run(tmp_path, album):
    "A half-written file is removed, unless a process is at it; a user's own hidden files stay"
    out = tmp_path/'out'; (out/'0').mkdir(parents=True)
    left, own = out/'0/.photo-12345678.letthere-part', out/'0/.photo.part'
    for p in (left, own): p.write_bytes(b'half')
    p = start(write_held, out/'0/slow.png')
    assert hear(p) == 'writing'
    colour_all(album, out)
    assert not left.exists() and own.exists()
    p.conn.send('go on')
    assert ended(p) == 0 and (out/'0/slow.png').read_bytes() == b'whole' and len(files(out)) == len(files(album)) + 2

def test_shapes_together_or_alone(tmp_path, album):
    "The network answers for a batch what it answers for one photo"
    colorizer = Colorizer.from_pretrained('tiny')
    for batch in (1, 8): list(colorize_files(colorizer, plan_results([album], tmp_path/f'{batch}', recursive=True, suffix='.png'), batch=batch))
    a, b = (tmp_path/f'{batch}' for batch in (1, 8))
    assert len(files(a)) == len(files(album))
    for p in a.rglob('*.png'):
        x, y = (Image.open(o/p.relative_to(a)).convert('RGB').tobytes() for o in (a, b))
        assert max(abs(i - j) for i, j in zip(x, y)) <= 1

@pytest.mark.skipif(not hasattr(os, 'geteuid') or os.geteuid() == 0, reason='root may write everywhere')
def test_read_only(tmp_path, album):
    shutil.copytree(album, tmp_path/'cd')
    (tmp_path/'cd').chmod(0o500)
    try:
        with pytest.raises(ValueError, match='cd may not be written to: name another folder'): plan_results([tmp_path/'cd'/'0', tmp_path/'cd'], tmp_path/'cd/out')
        assert plan_results([tmp_path/'cd'], tmp_path/'out', recursive=True)
    finally: (tmp_path/'cd').chmod(0o700)

def test_links_and_closed_folders(tmp_path, album, monkeypatch):
    "A link to a photo is another photo, another name of a folder is not; a folder that may not be read is named, a hidden one left out"
    from letthere_color.folders import find_photos
    inside = tmp_path/'in'; shutil.copytree(album, inside)
    photo = next(inside.rglob('*.jpg'))
    photo.with_name('a_link.jpg').symlink_to(photo)
    (tmp_path/'too').symlink_to(inside)
    shutil.copytree(album, inside/'.thumbnails')
    n = len(files(album)) + 1
    assert len(find_photos([inside], recursive=True)) == len(find_photos([inside, tmp_path/'too', photo], recursive=True)) == n
    def scandir(path, scan=os.scandir):
        if str(path).endswith('1'): raise PermissionError(13, 'Permission denied', str(path))
        return scan(path)
    monkeypatch.setattr(os, 'scandir', scandir)
    with pytest.raises(ValueError, match=f'{inside/"1"} may not be read'): find_photos([inside], recursive=True)

def test_folder_that_cannot_be_made(tmp_path, album):
    "One line for each photo, which names the folder and what to do; the others go on"
    from letthere_color.folders import colorize_files
    (tmp_path/'file').write_text('in the way')
    photos = sorted(album.rglob('*.png'))[:2]
    done = list(colorize_files(Colorizer.from_pretrained('tiny'), [(photos[0], tmp_path/'file/out/a.png'), (photos[1], tmp_path/'b.png')]))
    failed, = [o for o in done if o.error]
    assert failed.photo == photos[0] and 'file/out: this folder cannot be made' in failed.error and '\n' not in failed.error
    assert (tmp_path/'b.png').exists()

def test_beside_another_thread(tmp_path, album):
    "A program whose other threads read photos too is not forked, and nobody waits for ever"
    code = """import sys, threading
from pathlib import Path
from letthere_color.folders import colorize_files, plan_results
from letthere_color.inference import Colorizer
from letthere_color import workers
def fork(*args): raise AssertionError('it forks')
workers.get_context = fork
colorizer, album, out = Colorizer.from_pretrained('tiny'), *sys.argv[1:]
photo, done = next(Path(album).rglob('*.jpg')), threading.Event()
def read():
    while not done.is_set(): colorizer.prepare(photo)
thread = threading.Thread(target=read, daemon=True); thread.start()
for i in range(3): assert not any(o.error for o in colorize_files(colorizer, plan_results(album, f'{out}/{i}', recursive=True)))
done.set(); thread.join()"""
    subprocess.run([sys.executable, '-c', code, str(album), str(tmp_path)], check=True, timeout=PATIENCE)

class Bound:
    "Can't be thrown away in another process than its own, as an engine with threads; and is thrown away late, as it holds itself"
    def __init__(self): self.me, self.process = self, os.getpid()
    def __del__(self): self.process == os.getpid() or os.abort()

@pytest.mark.skipif(sys.platform != 'linux', reason='workers are processes on Linux only')
def test_garbage_of_the_parent(tmp_path, album, monkeypatch):
    "Nothing that the parent has left is thrown away by a worker"
    colorizer = Colorizer.from_pretrained('tiny')
    monkeypatch.setattr(colorizer, 'prepare', lambda *a, **kw: gc.collect() and None or Colorizer.prepare(colorizer, *a, **kw), raising=False)
    gc.disable()
    try:
        Bound()
        done = list(colorize_files(colorizer, plan_results([album], tmp_path/'out', recursive=True), processes=True))
    finally: gc.enable()
    assert len(done) == len(files(album)) and not any(o.error for o in done)

def test_two_runs_at_once(tmp_path, album):
    "What the other run has made meanwhile is skipped"
    others = [start(colour_together, album, tmp_path/'out') for _ in range(2)]
    for p in others: assert hear(p) == 'ready'
    for p in others: p.conn.send('go')
    done = colour_all(album, tmp_path/'out')
    assert [ended(p) for p in others] == [0, 0]
    assert not any(o.error for o in done) and len(files(tmp_path/'out')) == len(files(album))

def test_same_photos_everywhere(tmp_path):
    "What `colorize` takes for a photo, `train` and `evaluate` do, too"
    from letthere_color.files import READABLE
    from letthere_color.folders import find_photos
    from letthere_color.photos import list_photos
    for name in (*(f'a{o}' for o in READABLE), 'B.JFIF', 'notes.txt', '.hidden.jpg'): (tmp_path/name).touch()
    found = {p.name for p, _ in find_photos([tmp_path])}
    assert found == {Path(name).name for name, *_ in list_photos(tmp_path)} == {f'a{o}' for o in READABLE} | {'B.JFIF'} and 'a.jfif' in found
