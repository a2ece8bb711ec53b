"Moving pictures: what belongs to a film is still there, luminance is what it was, work can be stopped at any moment"
import io, json, os, struct
from fractions import Fraction

import numpy as np, pytest
from PIL import Image, ImageSequence

av = pytest.importorskip('av', reason='pip install -e ".[video]"')
from helpers import ended, fails, killed_at_call, letthere, n_calls, seeded, start
from letthere_color.clips import ahead, colour_film, EachFrame, Job
from letthere_color.core import PhotoError
from letthere_color.inference import Colorizer
from letthere_color.steady import SteadyColors
from letthere_color.video import luma, pictures, read_clip
from letthere_color.video_parts import coding_for

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
        some = [s for s in f.streams if s.type in kinds]
        return {s.index: [(p.pts*p.time_base, bytes(p)) for p in f.demux(s) if p.pts is not None] for s in some}

def told(path):
    "All that must be as it was"
    with av.open(str(path)) as f:
        v, c = f.streams.video[0], f.streams.video[0].codec_context
        first = next(f.decode(v))
        return dict(kinds=[(s.type, s.codec_context.name if s.type != 'video' else '', s.language, int(s.disposition)) for s in f.streams],
                    size=(c.width, c.height), aspect=v.sample_aspect_ratio or 1, rotation=first.rotation, fields=first.interlaced_frame,
                    range=c.color_range or 1, primaries=c.color_primaries, curve=c.color_trc, title=f.metadata.get('title'),
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
    if make is interlaced: was['kinds'], now['kinds'] = ([o[:2] for o in k['kinds']] for k in (was, now))
    if make is mov: assert was['rotation'] == -90
    if make is interlaced: assert was['fields']
    if make is mkv: assert len(was['kinds']) == 4 and len(was['chapters']) == 2 and was['aspect'] == Fraction(4, 3)
    assert was == now
    if make is not interlaced: assert packets(path) == packets(out)
    else: assert [b for _, b in packets(path)[1]] == [b for _, b in packets(out)[1]]
    with av.open(str(path)) as a, av.open(str(out)) as b:
        assert abs(a.duration - b.duration) <= (128_000 if out.suffix == '.mkv' else 0)  # Matroska does not say how long its last packet of sound is
        assert any('letthere_color' in o for o in b.metadata.values())
    assert sorted(o.name for o in tmp_path.iterdir()) == sorted([path.name, out.name])
