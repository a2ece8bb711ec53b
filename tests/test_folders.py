"Folders of photos: killed at any moment, finished by the same command."
import os, random, shutil, signal, subprocess, sys, time
from multiprocessing import active_children, get_context
from pathlib import Path

import pytest
from PIL import Image
from letthere_color.core import sample_photos

def colour_all(folder, out):
    import torch
    from letthere_color.folders import colorize_files, plan_results
    from letthere_color.inference import Colorizer
    torch.set_num_threads(1)
    return list(colorize_files(Colorizer.from_pretrained('tiny'), plan_results([folder], out, recursive=True)))

def write_slowly(path, conn):
    from letthere_color.files import whole_file
    with whole_file(path) as f: conn.send('writing'); conn.recv(); f.write(b'whole')

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
    ctx, rng = get_context('forkserver'), random.Random()
    ctx.set_forkserver_preload(['letthere_color.folders'])
    colour_all(album, tmp_path/'whole')
    whole, originals = files(tmp_path/'whole'), files(album)
    assert sorted(whole) == sorted(originals)
    for _ in range(kills):
        p = ctx.Process(target=colour_all, args=(album, tmp_path/'out')); p.start()
        time.sleep(rng.uniform(.05, .8))
        p.kill(); p.join()
        for name, data in (files(tmp_path/'out') if (tmp_path/'out').exists() else {}).items():
            if name in whole: assert data == whole[name], f'{name} is there, but not whole'
        if rng.random() < .2 and (tmp_path/'out').exists(): shutil.rmtree(tmp_path/'out')  # else most runs find all done
    colour_all(album, tmp_path/'out')
    assert files(tmp_path/'out') == whole and files(album) == originals

def begun(tmp_path, photo):
    "The command, at work on 300 photos"
    many = tmp_path/'many'; many.mkdir()
    for i in range(300): shutil.copy(photo, many/f'{i}.jpg')
    with open(tmp_path/'said', 'w') as said:
        run = subprocess.Popen([sys.executable, '-c', 'from letthere_color.cli import main; main()', 'colorize', many, '-o', tmp_path/'out', '--model', 'tiny'],
                               stdout=said, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while ' -> ' not in (tmp_path/'said').read_text(): time.sleep(.02)
    return run

@pytest.mark.skipif(sys.platform != 'linux', reason='workers are processes on Linux only')
@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_run(tmp_path, album, how):
    "After Ctrl-C or `kill` each result has been reported, after `kill -9` no worker is left"
    run = begun(tmp_path, next(album.rglob('*.jpg')))
    if how == signal.SIGINT: os.killpg(run.pid, how)  # as a terminal does
    else: run.send_signal(how)
    _, err = run.communicate(timeout=20)  # ends when the workers, too, have let go of the pipe
    if how != signal.SIGKILL:
        assert run.returncode == 130 and err.strip().startswith('letthere: stopped') and 'Traceback' not in err
        assert (tmp_path/'said').read_text().count(' -> ') == len(list((tmp_path/'out').iterdir())) < 300

@pytest.mark.skipif(sys.platform != 'linux', reason='workers are processes on Linux only')
def test_all_are_told_to_end(tmp_path, album):
    "As `timeout` and service managers do it"
    run = begun(tmp_path, next(album.rglob('*.jpg')))
    os.killpg(run.pid, signal.SIGTERM)
    _, err = run.communicate(timeout=20)
    assert run.returncode == 130 and err == 'letthere: stopped; the same command goes on where it was\n'

@pytest.mark.skipif(sys.platform != 'linux', reason='workers are processes on Linux only')
def test_killed_worker(tmp_path, album):
    "A run whose worker is killed ends, names the photos that were in work, and can go on"
    from letthere_color.folders import colorize_files, plan_results
    from letthere_color.inference import Colorizer
    plan = plan_results([album], tmp_path, recursive=True)
    run = colorize_files(Colorizer.from_pretrained('tiny'), plan, processes=True)
    with pytest.raises(ChildProcessError, match='killed a worker.*in work were .*(jpg|png)'):
        for _ in run: active_children()[0].kill()
    assert len(list(colorize_files(Colorizer.from_pretrained('tiny'), plan, processes=True))) == len(plan) == len(files(tmp_path))

def test_processes_or_threads(tmp_path, album):
    from letthere_color.folders import colorize_files, plan_results
    from letthere_color.inference import Colorizer
    for processes in (True, False): list(colorize_files(Colorizer.from_pretrained('tiny'), plan_results([album], tmp_path/f'{processes}', recursive=True), processes=processes))
    assert files(tmp_path/'True') == files(tmp_path/'False')

def test_left_by_a_killed_run(tmp_path, album):
    "A half-written file is removed, unless a process is at it; a user's own hidden files stay"
    ctx = get_context('forkserver')
    out = tmp_path/'out'; (out/'0').mkdir(parents=True)
    left, own = out/'0/.photo-12345678.letthere-part', out/'0/.photo.part'
    for p in (left, own): p.write_bytes(b'half')
    conn, other = ctx.Pipe()
    p = ctx.Process(target=write_slowly, args=(out/'0/slow.png', other)); p.start()
    assert conn.recv() == 'writing'
    colour_all(album, out)
    assert not left.exists() and own.exists()
    conn.send('go on'); p.join()
    assert (out/'0/slow.png').read_bytes() == b'whole' and len(files(out)) == len(files(album)) + 2

def test_shapes_together_or_alone(tmp_path, album):
    "The network answers for a batch what it answers for one photo"
    from letthere_color.folders import colorize_files, plan_results
    from letthere_color.inference import Colorizer
    colorizer = Colorizer.from_pretrained('tiny')
    for batch in (1, 8): list(colorize_files(colorizer, plan_results([album], tmp_path/f'{batch}', recursive=True, suffix='.png'), batch=batch))
    a, b = (tmp_path/f'{batch}' for batch in (1, 8))
    for p in a.rglob('*.png'):
        x, y = (Image.open(o/p.relative_to(a)).convert('RGB').tobytes() for o in (a, b))
        assert max(abs(i - j) for i, j in zip(x, y)) <= 1

@pytest.mark.skipif(not hasattr(os, 'geteuid') or os.geteuid() == 0, reason='root may write everywhere')
def test_read_only(tmp_path, album):
    from letthere_color.folders import plan_results
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
    from letthere_color.inference import Colorizer
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
colorizer, album, out = Colorizer.from_pretrained('tiny'), *sys.argv[1:]
photo, done = next(Path(album).rglob('*.jpg')), threading.Event()
def read():
    while not done.is_set(): colorizer.prepare(photo)
thread = threading.Thread(target=read, daemon=True); thread.start()
for i in range(3): assert not any(o.error for o in colorize_files(colorizer, plan_results(album, f'{out}/{i}', recursive=True)))
done.set(); thread.join()"""
    subprocess.run([sys.executable, '-c', code, str(album), str(tmp_path)], check=True, timeout=60)

def test_two_runs_at_once(tmp_path, album):
    "What the other run has made meanwhile is skipped"
    ctx = get_context('forkserver')
    others = [ctx.Process(target=colour_all, args=(album, tmp_path/'out')) for _ in range(2)]
    for p in others: p.start()
    done = colour_all(album, tmp_path/'out')
    for p in others: p.join()
    assert not any(o.error for o in done) and len(files(tmp_path/'out')) == len(files(album))

def test_same_photos_everywhere(tmp_path):
    "What `colorize` takes for a photo, `train` and `evaluate` do, too"
    from letthere_color.files import READABLE
    from letthere_color.folders import find_photos
    from letthere_color.photos import list_photos
    for name in (*(f'a{o}' for o in READABLE), 'B.JFIF', 'notes.txt', '.hidden.jpg'): (tmp_path/name).touch()
    found = {p.name for p, _ in find_photos([tmp_path])}
    assert found == {Path(name).name for name, *_ in list_photos(tmp_path)} == {f'a{o}' for o in READABLE} | {'B.JFIF'} and 'a.jfif' in found
