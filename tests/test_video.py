"Moving pictures: what belongs to a film is still there, luminance is what it was, work can be stopped at any moment"
import gc, json, os, signal, sys
from fractions import Fraction
from multiprocessing import get_context

import numpy as np, pytest
from PIL import Image, ImageSequence

av = pytest.importorskip('av', reason='pip install -e ".[video]"')
from helpers import PATIENCE, fails, killed_at_call, letthere, n_calls, seeded
from letthere_color.clips import ahead, colour_film, EachFrame, Job
from letthere_color.core import PhotoError
from letthere_color.inference import Colorizer
from letthere_color.steady import SteadyColors
from letthere_color import clip_command, folders
from letthere_color.video import luma, pictures, read_clip, VIDEO
from letthere_color.video_parts import coding_for, PartWriter

SIZE, N = (64, 48), 16

@pytest.fixture(scope='module')
def colorizer(): return Colorizer.from_pretrained('tiny', engine='torch')

# ---- films

def view(i, size=SIZE, deep=0):
    "A square that moves over a slope"
    x = np.add.outer(np.arange(size[1]), np.arange(size[0]))*1. + 40
    x[8:28, 2*i:2*i + 20] = 200 - 4*i
    return (x*(1 << deep)).astype(np.uint16 if deep else np.uint8)

def frame(i, format='yuv420p', size=SIZE):
    deep = 2 if '10' in format else 0
    f = av.VideoFrame(*size, format)
    for k, p in enumerate(f.planes):
        to = np.frombuffer(p, np.uint16 if deep else np.uint8).reshape(p.height, -1)
        to[:] = 128 << deep
        if not k: to[:, :size[0]] = view(i, size, deep)
    return f

def add_picture(f, codec, times, unit, format='yuv420p', size=SIZE, options=None, **kw):
    s = f.add_stream(codec, 24, options=options or {})
    s.width, s.height, s.pix_fmt, s.codec_context.time_base, s.time_base = *size, format, unit, unit
    for k, v in kw.items(): setattr(s.codec_context, k, v)
    def packets():
        for i, t in enumerate(times):
            o = frame(i, format, size)
            o.pts, o.time_base = t, unit
            yield from s.encode(o)
        yield from s.encode()
    return s, packets()

def add_sound(f, codec='aac', tone=.1, rate=8000, seconds=.7):
    s = f.add_stream(codec, rate, layout='mono')
    wave = (np.sin(np.arange(int(rate*seconds))*tone)*9000).astype(np.int16)[None]
    a = av.AudioFrame.from_ndarray(wave if codec != 'aac' else (wave/32768).astype(np.float32), 's16' if codec != 'aac' else 'fltp', 'mono')
    a.sample_rate, a.pts, a.time_base = rate, 0, Fraction(1, rate)
    return s, (o for part in (a, None) for o in s.encode(part))

def film(path, *tracks, chapters=(), **metadata):
    "Each track is a function of the open file that gives a stream and its packets; streams are there before the first packet is"
    with av.open(str(path), 'w') as f:
        f.metadata.update(metadata)
        if chapters: f.set_chapters([dict(id=i, start=a, end=b, time_base=Fraction(1, 1000), metadata=dict(title=t)) for i, (a, b, t) in enumerate(chapters)])
        made = [o(f) for o in tracks]
        f.start_encoding()
        for p in sorted((p for _, o in made for p in o), key=lambda p: float((p.dts if p.dts is not None else p.pts)*p.time_base)): f.mux(p)
    return path

UNEVEN = [0, 3, 4, 9, 10, 11, 15, 21, 22, 23, 24, 30, 31, 33, 36, 37]

def two_tracks(f):
    s, packets = add_sound(f, 'flac')
    s.metadata['language'] = 'fre'
    return s, packets

SAID = """1
00:00:00,000 --> 00:00:00,250
Let there be

2
00:00:00,300 --> 00:00:00,600
colour
"""

def subtitles(f):
    path = f.name + '.srt'
    open(path, 'w').write(SAID)
    with av.open(path) as said:
        s = f.add_stream_from_template(said.streams[0], opaque=True)
        s.metadata['language'] = 'eng'
        some = [o for o in said.demux() if o.pts is not None]
    os.unlink(path)
    for o in some: o.stream = s
    return s, some

def vfr_mp4(d): return film(d/'vfr.mp4', lambda f: add_picture(f, 'libx264', UNEVEN, Fraction(1, 600), color_range=1, colorspace=1, color_primaries=1, color_trc=1), add_sound, title='A title')
def mkv(d): return film(d/'two.mkv', lambda f: add_picture(f, 'libx264', [40*i for i in range(N)], Fraction(1, 1000), sample_aspect_ratio=Fraction(4, 3)),
                        add_sound, two_tracks, subtitles, chapters=[(0, 300, 'one'), (300, 640, 'two')], title='Two')
def mov(d):
    def turned(f):
        s, packets = add_picture(f, 'libx264', range(N), Fraction(1, 24))
        s.set_display_rotation(-90)
        return s, packets
    return film(d/'turned.mov', turned, add_sound)
def interlaced(d):
    flags = int(av.codec.context.Flags.interlaced_dct) | int(av.codec.context.Flags.interlaced_me)
    return film(d/'fields.mpg', lambda f: add_picture(f, 'mpeg2video', range(N), Fraction(1, 25), options={'b': '2000000'}, flags=flags, framerate=Fraction(25), field_order=2), lambda f: add_sound(f, 'mp2', rate=32000))
def hevc10(d): return film(d/'ten.mp4', lambda f: add_picture(f, 'libx265', range(N), Fraction(1, 24), 'yuv420p10le', options={'x265-params': 'log-level=error'}), add_sound)

FILMS = [vfr_mp4, mkv, mov, interlaced, hevc10]

def packets(path, kinds=('audio', 'subtitle')):
    with av.open(str(path)) as f:
        found = {s.index: [] for s in f.streams if s.type in kinds}
        for p in f.demux(*(f.streams[i] for i in found)):
            if p.pts is not None: found[p.stream.index].append((p.pts*p.time_base, bytes(p)))
    assert all(found.values())
    return found

def told(path):
    "All that must be as it was"
    with av.open(str(path)) as f:
        v, c = f.streams.video[0], f.streams.video[0].codec_context
        first = next(f.decode(v))
        return dict(kinds=[(s.type, s.codec_context.name if s.type != 'video' else '', s.language, int(s.disposition)) for s in f.streams],
                    size=(c.width, c.height), aspect=v.sample_aspect_ratio or 1, rotation=first.rotation, fields=first.interlaced_frame,
                    range=c.color_range or 1, matrix=c.colorspace, primaries=c.color_primaries, curve=c.color_trc, title=f.metadata.get('title'),
                    chapters=[(o['start']*o['time_base'], o['end']*o['time_base'], o['metadata'].get('title')) for o in f.chapters()])

def frames(path):
    clip = read_clip(path)
    return [((o.at - clip.start)*clip.unit, luma(o.frame).copy(), o.frame.to_ndarray(format='yuv444p')[1:]) for o in pictures(clip)]

@pytest.mark.parametrize('make', FILMS)
def test_all_that_belongs_to_a_film(make, tmp_path, colorizer):
    path = make(tmp_path)
    out = tmp_path/f'out{path.suffix if path.suffix != ".mpg" else ".mkv"}'
    r = letthere(tmp_path, 'colorize', path.name, '-o', out.name, '--lossless', '--model', 'tiny', '--no-steady')
    assert r.returncode == 0 and not r.stderr, r.stderr
    before, after = frames(path), frames(out)
    assert [t for t, *_ in before] == [t for t, *_ in after] and len(after) == N
    for (_, a, _), (_, b, c) in zip(before, after):
        assert np.array_equal(a, b)
        assert c.std() > 1  # there are colours
    was, now = told(path), told(out)
    if was['matrix'] == 2: was['matrix'] = 6  # it did not say; so small a picture is taken for BT.601
    if make is interlaced: was['kinds'], now['kinds'] = ([o[:2] for o in k['kinds']] for k in (was, now))
    if make is mov: assert was['rotation'] == -90
    if make is interlaced: assert was['fields']
    if make is mkv: assert len(was['kinds']) == 4 and len(was['chapters']) == 2 and was['aspect'] == Fraction(4, 3)
    assert was == now
    if make is not interlaced: assert packets(path) == packets(out)
    else: assert [b for _, b in packets(path)[1]] == [b for _, b in packets(out)[1]]
    with av.open(str(path)) as a, av.open(str(out)) as b:
        assert abs(a.duration - b.duration) <= (128_000 if out.suffix == '.mkv' else 0)  # Matroska does not say how long its last packet of sound is
        if out.suffix != '.mkv':
            x, y = (o.streams.video[0] for o in (a, b))
            assert x.duration*x.time_base == y.duration*y.time_base
        assert any('letthere_color' in o for o in b.metadata.values())
    assert sorted(o.name for o in tmp_path.iterdir()) == sorted([path.name, out.name])

# ---- stopped and gone on with

def work(folder, name='out.mp4', steady=True, part=4, tick=lambda phase, n: None, **kw):
    clip, colorizer = read_clip(folder/'film.mp4'), Colorizer.from_pretrained('tiny', engine='torch')
    colours = SteadyColors(colorizer, clip.size) if steady else EachFrame(colorizer)
    return colour_film(Job(clip, folder/name, coding_for(folder/name, lossless=True), colours, 48, part=part, **kw), tick=tick)

def killed(n, folder): # at the n-th call; 0: as soon as a part is whole
    if n: return killed_at_call(n, work, folder)
    work(folder, tick=lambda *_: [*folder.glob('out.mp4.parts/*.part')] and os.kill(os.getpid(), signal.SIGKILL))

def same(a, b): return [(t, x.tobytes(), y.tobytes()) for t, x, y in frames(a)] == [(t, x.tobytes(), y.tobytes()) for t, x, y in frames(b)]

@pytest.mark.skipif(sys.platform != 'linux', reason='there is no fork')
def test_killed_at_any_moment(tmp_path):
    "Ten times by kill -9, then left alone: the film is that of a run that nobody disturbed, frame by frame"
    film(tmp_path/'film.mp4', lambda f: add_picture(f, 'libx264', range(N), Fraction(1, 24)), add_sound)
    end, loaded = n_calls(work, tmp_path, 'whole.mp4'), n_calls(Colorizer.from_pretrained, 'tiny', engine='torch')
    chance, reached = seeded('killed films'), set()
    for n in [0, *(chance.randrange(loaded, end) for _ in range(9))]:
        if (tmp_path/'out.mp4').exists(): break
        gc.collect()  # an engine that an earlier test has left can't be thrown away in a fork
        p = get_context('fork').Process(target=killed, args=(n, tmp_path))
        p.start(); p.join(PATIENCE)
        assert p.exitcode == -9
        reached |= {o.name for o in tmp_path.glob('out.mp4.parts/*.part')}
    if not (tmp_path/'out.mp4').exists(): work(tmp_path)
    assert same(tmp_path/'out.mp4', tmp_path/'whole.mp4') and packets(tmp_path/'out.mp4') == packets(tmp_path/'whole.mp4')
    assert reached and not (tmp_path/'out.mp4.parts').exists()

def test_parts_are_used(tmp_path, monkeypatch):
    "What is whole is not made again; what belongs to another plan is not taken"
    import letthere_color.clips as clips
    film(tmp_path/'film.mp4', lambda f: add_picture(f, 'libx264', range(N), Fraction(1, 24)), add_sound)
    class Stop(Exception): pass
    def joined(*args, **kw): raise Stop
    with monkeypatch.context() as m:
        m.setattr(clips, 'join_parts', joined)
        with pytest.raises(Stop): work(tmp_path)
    parts = {o: o.stat().st_mtime_ns for o in tmp_path.glob('out.mp4.parts/*')}
    assert sum(o.suffix == '.part' for o in parts) == 4
    with pytest.raises(PhotoError, match=r'begun otherwise \(style\)'): work(tmp_path, about=dict(style='sunset'))
    (tmp_path/'out.mp4.parts/00003.part').unlink(); (tmp_path/'out.mp4.parts/end.json').unlink()
    with monkeypatch.context() as m:
        m.setattr(clips, 'join_parts', joined)
        with pytest.raises(Stop): work(tmp_path)
    assert all(o.stat().st_mtime_ns == t for o, t in parts.items() if o.name not in ('00003.part', '00003.npz', 'end.json'))
    work(tmp_path)
    work(tmp_path, 'whole.mp4')
    assert same(tmp_path/'out.mp4', tmp_path/'whole.mp4')

def test_first_pass_goes_on(tmp_path):
    "What has been looked at is not looked at again, and what comes of it is the same"
    film(tmp_path/'film.mp4', lambda f: add_picture(f, 'libx264', range(N), Fraction(1, 24)), add_sound)
    looks = []
    def stopped_at(last):
        def tick(phase, n):
            if phase == 'looking': looks.append(n)
            if n == last: raise KeyboardInterrupt
        return tick
    with pytest.raises(KeyboardInterrupt): work(tmp_path, part=1, tick=stopped_at(12))
    assert looks == [*range(1, 13)]
    work(tmp_path, part=1, tick=stopped_at(None))
    assert looks[12:] == [*range(11, N + 1)]
    work(tmp_path, 'whole.mp4', part=1)
    assert same(tmp_path/'out.mp4', tmp_path/'whole.mp4')

@pytest.mark.skipif(sys.platform != 'linux', reason="there is no fork, and no /proc")
def test_parts_leave_no_memory(tmp_path):
    "What an encoder holds, some 8 MB here, is free when its part is written: films may be long"
    def used(): return int(open('/proc/self/statm').read().split()[1])*os.sysconf('SC_PAGE_SIZE')/1e6
    film(tmp_path/'film.mp4', lambda f: add_picture(f, 'libx264', range(4), Fraction(1, 24), size=(640, 480)))
    clip, memory = read_clip(tmp_path/'film.mp4'), []
    some = list(pictures(clip))
    for _ in range(12):
        with open(tmp_path/'part', 'wb') as f:
            w = PartWriter(f, clip, coding_for(tmp_path/'out.mp4'))
            for i in range(12):
                some[i%4].at = i
                w.add(some[i%4])
            w.close()
        memory.append(used())
    assert memory[-1] - memory[3] < 30, memory

def test_threads_do_not_run_away():
    "Two threads behind one another never hold more than their queues and what is in hand"
    made = []
    def items():
        for i in range(200): made.append(i); yield i
    for i in ahead(ahead(items(), 3), 3): assert len(made) - i <= 2*(3 + 2) + 1
    late = ahead(items(), 2)
    assert next(late) == 0
    late.close()
    assert len(made) < 200 + 6  # who is not listened to, stops

# ---- what cannot be coloured, or only in part

def test_no_film(tmp_path):
    (tmp_path/'empty.mp4').touch()
    (tmp_path/'letter.mp4').write_text('Dear Sir or Madam,')
    film(tmp_path/'sound.mp4', add_sound)
    vfr_mp4(tmp_path)
    whole = (tmp_path/'vfr.mp4').read_bytes()
    (tmp_path/'cut.mp4').write_bytes(whole[:len(whole)//2])  # its index was at the end
    with av.open(str(tmp_path/'locked.mp4'), 'w', container_options=dict(encryption_scheme='cenc-aes-ctr', encryption_key='0'*32, encryption_kid='1'*32)) as f:
        s, some = add_picture(f, 'libx264', range(4), Fraction(1, 24))
        for p in some: f.mux(p)
    (tmp_path/'here').mkdir()
    Image.new('L', SIZE).save(tmp_path/'photo.jpg')
    (tmp_path/'photo.jpg').rename(tmp_path/'photo.mp4')
    for name, *says in (('photo.mp4', 'is no film but JPEG', 'a name that says so'), ('empty.mp4', 'is empty (0 bytes)'), ('letter.mp4', 'is no film'), ('sound.mp4', 'only sound'), ('cut.mp4', 'its end is missing'),
                        ('locked.mp4', 'is encrypted'), ('nowhere.mp4', 'no such file')):
        fails(tmp_path, 'colorize', name, '-o', 'here/out.mp4', '--model', 'tiny', says=[name, *says])
    for args, says in ((['vfr.mp4', '-o', 'vfr.mp4'], 'is the film itself'), (['vfr.mp4', '-o', 'a.doc'], 'no kind of film'), (['vfr.mp4', '--hint', '4,5=red'], 'see --shots'),
                       (['vfr.mp4', '-o', 'here/a.webm'], 'does not fit'), (['vfr.mp4', '-o', 'here/a.mp4', '--start', '9'], 'no frames'),
                       (['vfr.mp4', '-o', 'here/a.webm', '--codec', 'h264'], 'does not fit'), (['vfr.mp4', '--start', 'soon'], 'is no time'),
                       (['vfr.mp4', 'cut.mp4', '-o', 'vfr.mp4/x'], 'is a file')):
        r = letthere(tmp_path, 'colorize', *args, '--model', 'tiny')
        assert r.returncode == 1 and says in r.stderr and len(r.stderr.strip().splitlines()) == 1, (args, r.stderr)
        assert not list(tmp_path.glob('here/*.mp4')) and (tmp_path/'vfr.mp4').read_bytes() == whole

def test_in_colour_already(tmp_path):
    "Told, as it is of photos; a toned film is not in colour"
    def tinted(f, u, v):
        s = f.add_stream('libx264', 24)
        s.width, s.height, s.pix_fmt = *SIZE, 'yuv420p'
        def packets():
            for i in range(4):
                o = frame(i)
                for k, colour in ((1, u), (2, v)): np.frombuffer(o.planes[k], np.uint8).reshape(24, -1)[:, :32] = colour
                yield from s.encode(o)
            yield from s.encode()
        return s, packets()
    slope = np.linspace(60, 200, 32).astype(np.uint8)
    film(tmp_path/'colour.mp4', lambda f: tinted(f, slope, slope[::-1]))
    film(tmp_path/'toned.mp4', lambda f: tinted(f, 112, 142))
    for name, told in (('colour.mp4', True), ('toned.mp4', False)):
        r = letthere(tmp_path, 'colorize', name, '--model', 'tiny')
        assert r.returncode == 0 and ('is in colour already' in r.stderr) == told, (name, r.stderr)

@pytest.mark.parametrize('name,kept', [('out.mkv', True), ('out.mp4', False)])
def test_stereoscopic(tmp_path, name, kept):
    "Matroska can say so; where it gets lost, that is told"
    def two_views(f):
        s, some = add_picture(f, 'libx264', [0, 40, 80], Fraction(1, 1000))
        s.metadata['stereo_mode'] = 'left_right'
        return s, some
    film(tmp_path/'a.mkv', two_views)
    r = letthere(tmp_path, 'colorize', 'a.mkv', '-o', name, '--model', 'tiny')
    assert r.returncode == 0 and ('stereoscopic' in r.stderr) != kept, r.stderr
    with av.open(str(tmp_path/name)) as f: assert (f.streams.video[0].metadata.get('stereo_mode') == 'left_right') == kept

def test_lines_without_a_terminal(monkeypatch, capsys):
    "Whose standard error is a file reads how far it is, now and then; with --json it does not"
    monkeypatch.setattr(clip_command._Bar, 'every', 0)
    for quiet in (False, True):
        with clip_command._Bar(10, quiet) as bar:
            for n in (1, 2): bar('looking', n)
            bar('colouring', 1)
        said = capsys.readouterr().err
        assert [o.split(' frames')[0] for o in said.splitlines()] == ([] if quiet else ['looking: 1 of 10', 'looking: 2 of 10', 'colouring: 1 of 10'])

@pytest.mark.parametrize('ext', ['webm', 'mkv'])
def test_a_stream_without_a_length(tmp_path, ext):
    "As browsers record: nothing can be sought or is known beforehand; it is coloured"
    class Stream:  # a file that is only written to
        def __init__(self, path): self.f = path.open('wb'); self.write = self.f.write
    codec = dict(webm='libvpx', mkv='libx264')[ext]
    with av.open(out := Stream(tmp_path/f'live.{ext}'), 'w', format=dict(webm='webm', mkv='matroska')[ext], options=dict(live='1')) as f:
        _, some = add_picture(f, codec, [40*i for i in range(6)], Fraction(1, 1000))
        for p in some: f.mux(p)
    out.f.close()
    with av.open(str(tmp_path/f'live.{ext}')) as f: assert f.duration is None
    r = letthere(tmp_path, 'colorize', f'live.{ext}', '-o', 'out.mkv', '--model', 'tiny')
    assert r.returncode == 0, r.stderr
    assert len(frames(tmp_path/'out.mkv')) == 6

def test_every_option_arrives(tmp_path, monkeypatch):
    "What is said on the command line is what the film is made with; what is not said, too"
    film(tmp_path/'film.mp4', lambda f: add_picture(f, 'libx264', range(N), Fraction(1, 24)))
    told = []
    def make(job, resume, said, strip, tick): told.append((job, resume, said, strip))
    monkeypatch.setattr(clip_command, 'colour_film', make)
    for more in ([], ['--no-steady', '--no-resume', '--strip', '--no-provenance', '--crf', '30', '--start', '0.25', '--end', '0.5', '--size', '64', '--saturation', '1.3', '--upsampling', 'bilinear']):
        r = letthere(tmp_path, 'colorize', 'film.mp4', '--model', 'tiny', *more)
        assert r.returncode == 0, r.stderr
    (a, resume, said, strip), (b, *others) = told
    assert (resume, strip) == (True, False) and 'film.mp4' in said['comment'] and others == [False, {}, True]
    assert isinstance(a.colours, SteadyColors) and isinstance(b.colours, EachFrame)
    assert (a.size, a.guided, a.cut) == (176, True, (None, None)) and (b.size, b.guided, b.cut) == (64, False, tuple(b.clip.start + int(t/b.clip.unit) for t in (Fraction(1, 4), Fraction(1, 2))))
    assert a.coding != b.coding and '30' in str(b.coding)

def test_cut_off(tmp_path):
    "What can be read is coloured, and what is missing is told"
    path = film(tmp_path/'long.mkv', lambda f: add_picture(f, 'libx264', [40*i for i in range(N)], Fraction(1, 1000), options={'g': '4', 'bf': '0'}))
    data = path.read_bytes()
    (tmp_path/'cut.mkv').write_bytes(data[:len(data)*3//4])
    r = letthere(tmp_path, 'colorize', 'cut.mkv', '--model', 'tiny', '--no-steady')
    assert r.returncode == 0 and 'the rest is missing' in r.stderr, r.stderr
    assert 0 < len(frames(tmp_path/'cut_color.mkv')) < N
    assert len(frames(tmp_path/'cut_color.mkv')) == len(frames(tmp_path/'cut.mkv'))

def test_without_av(tmp_path, monkeypatch):
    (tmp_path/'a.mp4').write_bytes(b'x')
    monkeypatch.setitem(sys.modules, 'av', None)
    fails(tmp_path, 'colorize', 'a.mp4', '--model', 'tiny', says=['pip install "letthere_color[video]"'])

# ---- parts of films, shots, animations, photos in a row

def test_from_to(tmp_path):
    path = mkv(tmp_path)
    r = letthere(tmp_path, 'colorize', path.name, '-o', 'part.mkv', '--model', 'tiny', '--start', '0.2', '--end', '0:00:00.5', '--lossless')
    assert r.returncode == 0 and not r.stderr, r.stderr
    whole, part = frames(path), frames(tmp_path/'part.mkv')
    kept = [(t, y) for t, y, _ in whole if Fraction(1, 5) <= t < Fraction(1, 2)]
    assert [t for t, *_ in part] == [t - kept[0][0] for t, _ in kept]
    assert all(np.array_equal(a, b) for (_, a), (_, b, _) in zip(kept, part, strict=True))
    some = [b for t, b in packets(path)[1] if Fraction(1, 5) <= t < Fraction(1, 2)]
    assert [b for _, b in packets(tmp_path/'part.mkv')[1]] == some and some
    assert [(o[0], o[2]) for o in told(tmp_path/'part.mkv')['chapters']] == [(0, 'one'), (Fraction(1, 10), 'two')]

def test_shots(tmp_path):
    def two(f):
        s, _ = add_picture(f, 'libx264', [], Fraction(1, 24))
        def some():
            for i in range(24):
                o = frame(i%3)
                if i >= 12: luma(o)[:] = 250 - luma(o)//2
                o.pts, o.time_base = i, Fraction(1, 24)
                yield from s.encode(o)
            yield from s.encode()
        return s, some()
    film(tmp_path/'film.mp4', two)
    (tmp_path/'shots.json').write_text(json.dumps({'2': dict(saturation=0)}))
    r = letthere(tmp_path, 'colorize', 'film.mp4', '--preview', '--model', 'tiny')
    assert r.returncode == 0 and r.stdout.splitlines()[:2] == ['shot 1: 0:00:00.0 to 0:00:00.5, 12 frames', 'shot 2: 0:00:00.5 to 0:00:01.0, 12 frames'], r.stdout + r.stderr
    assert Image.open(tmp_path/'film_shots.png').width > 400
    fails(tmp_path, 'colorize', 'film.mp4', '--preview', '--model', 'nowhere', says=['film_shots.png: exists already; --overwrite'])  # before a model is looked for
    r = letthere(tmp_path, 'colorize', 'film.mp4', '--shots', 'shots.json', '--model', 'tiny', '--lossless')
    assert r.returncode == 0, r.stderr
    strong = [c.astype(int).std() for *_, c in frames(tmp_path/'film_color.mp4')]
    assert min(strong[:12]) > 1 and max(strong[12:]) == 0
    (tmp_path/'shots.json').write_text(json.dumps({'3': dict(style='class:sunset')}))
    fails(tmp_path, 'colorize', 'film.mp4', '-o', 'b.mp4', '--shots', 'shots.json', '--model', 'tiny', says=['there is no shot 3: the film has 2'])
    (tmp_path/'shots.json').write_text(json.dumps({'4': dict(saturation=0)}))
    fails(tmp_path, 'colorize', 'film.mp4', '-o', 'c.mp4', '--shots', 'shots.json', '--model', 'tiny', says=['there is no shot 4: the film has 2'])

def test_names(tmp_path):
    "Films in a folder are told of, patterns name them, a folder for results need not be there; the note says from what and how"
    (tmp_path/'mixed').mkdir()
    Image.fromarray(view(0)).save(tmp_path/'mixed/a.png')
    for o in 'ab': film(tmp_path/f'mixed/{o}.mp4', lambda f: add_picture(f, 'libx264', range(4), Fraction(1, 24)))
    r = letthere(tmp_path, 'colorize', 'mixed', '-o', 'out', '--model', 'tiny')
    assert r.returncode == 0 and 'a.png' in r.stdout and '2' in r.stderr and 'film, coloured when named (.mp4)' in r.stderr, r.stderr
    assert {f'.{o}' for o in folders._KINDS['film, coloured when named'].split()} == {*VIDEO.split()} - {'.ts'}  # which is TypeScript, more often
    r = letthere(tmp_path, 'colorize', 'mixed/*.mp4', '-o', 'new', '--model', 'tiny', '--style', 'class:sunset')
    assert r.returncode == 0 and sorted(o.name for o in (tmp_path/'new').iterdir()) == ['a.mp4', 'b.mp4'], r.stderr
    with av.open(str(tmp_path/'new/b.mp4')) as f: assert 'style_name=class:sunset' in f.metadata['comment'] and 'master=b.mp4' in f.metadata['comment']
    r = letthere(tmp_path, 'colorize', 'mixed/a.mp4', '-o', 'one', '--model', 'tiny')
    assert r.returncode == 0 and (tmp_path/'one/a.mp4').is_file()
    fails(tmp_path, 'colorize', '*.mkv', '--model', 'tiny', says=['*.mkv'])

@pytest.mark.parametrize('suffix', ['.gif', '.webp', '.png'])
def test_animations(tmp_path, suffix):
    views, ms = [Image.fromarray(view(i)) for i in range(6)], [40, 40, 200, 40, 80, 100]
    views[0].save(tmp_path/f'a{suffix}', save_all=True, append_images=views[1:], duration=ms, loop=2)
    r = letthere(tmp_path, 'colorize', f'a{suffix}', '--model', 'tiny')
    assert r.returncode == 0 and not r.stderr, r.stderr
    with Image.open(tmp_path/f'a_color{suffix}') as im:
        seen = []
        for o in ImageSequence.Iterator(im): o.load(); seen.append((o.info['duration'], o.convert('RGB')))
        assert [t for t, _ in seen] == ms and im.info['loop'] == 2
    for (_, a), b in zip(seen, views, strict=True):
        off = np.abs(np.asarray(a.convert('L'), int) - np.asarray(b))
        assert off.mean() < (4 if suffix == '.gif' else 3) and np.ptp(np.asarray(a, int), 2).mean() > 3

def test_photos_in_a_row(tmp_path):
    for i in range(5): Image.fromarray(view(i, deep=8)).save(tmp_path/f'scan_{i + 9}.png')
    r = letthere(tmp_path, 'colorize', 'scan_%d.png', '-o', 'film.mp4', '--fps', '12', '--model', 'tiny', '--lossless')
    assert r.returncode == 0 and not r.stderr, r.stderr
    made = frames(tmp_path/'film.mp4')
    assert [t for t, *_ in made] == [Fraction(i, 12) for i in range(5)] and made[0][1].dtype == np.uint16
    assert all(np.abs(y - (view(i)*256./65535*876 + 64)).max() <= 1.01 for i, (_, y, _) in enumerate(made))
    (tmp_path/'new').mkdir()
    r = letthere(tmp_path, 'colorize', 'scan_%d.png', '-o', 'new/c_%03d.png', '--model', 'tiny')
    assert r.returncode == 0 and [o.name for o in sorted((tmp_path/'new').iterdir())] == [f'c_{i:03}.png' for i in range(1, 6)], r.stderr
    fails(tmp_path, 'colorize', 'scan_%d.png', '--model', 'tiny', says=['say with -o'])
    fails(tmp_path, 'colorize', 'film.mp4', '--fps', '12', '--model', 'tiny', says=['film.mp4', '--fps is for numbered photos'])

@pytest.mark.parametrize('codec, size', [('h264', (63, 48)), ('h264', (64, 47)), ('hevc', (63, 47)), ('vp9', (63, 47))])
def test_odd_sides(tmp_path, codec, size):
    "Encoders that cannot halve them get colours at full size, and that is told"
    for i in range(3): Image.fromarray(view(i, size)).save(tmp_path/f'{i}.png')
    r = letthere(tmp_path, 'colorize', '%d.png', '-o', 'film.mp4', '--codec', codec, '--model', 'tiny', '--lossless')
    assert r.returncode == 0 and ('odd width or height' in r.stderr) == (codec != 'vp9'), r.stderr
    made = frames(tmp_path/'film.mp4')
    assert len(made) == 3 and all(np.abs(y - (view(i, size)/255.*219 + 16)).max() <= .51 for i, (_, y, _) in enumerate(made))

@pytest.mark.parametrize('format', ['gray', 'yuvj420p', 'yuv422p', 'yuv444p'])
def test_formats(tmp_path, colorizer, format):
    "Whatever the planes are, luma goes through as it is"
    codec = 'mjpeg' if format[:4] == 'yuvj' else 'ffv1'
    film(tmp_path/'a.mkv', lambda f: add_picture(f, codec, range(4), Fraction(1, 24), format, **(dict(color_range=2) if codec == 'mjpeg' else {})))
    clip = read_clip(tmp_path/'a.mkv')
    with av.open(str(tmp_path/'a.mkv')) as f: raw = [np.frombuffer(o.planes[0], np.uint8).reshape(o.height, -1)[:, :o.width].copy() for o in f.decode(video=0)]
    assert clip.full == (format in ('gray', 'yuvj420p'))
    job = Job(clip, tmp_path/'b.mkv', coding_for(tmp_path/'b.mkv', lossless=True), EachFrame(colorizer), 48)
    colour_film(job)
    new = read_clip(tmp_path/'b.mkv')
    assert new.full == clip.full and all(np.array_equal(a, luma(o.frame)) for a, o in zip(raw, pictures(new), strict=True))
