"Films (nbs/11b_steady.ipynb): shots are found, colours are calm, and nothing goes over a cut."
import numpy as np, pytest, torch, torch.nn.functional as F
from letthere_color.colorization import Colorization, ModelConfig
from letthere_color.core import lab2rgb, photo2tensor, rgb2lab, sample_photos
from letthere_color.flicker import flicker, through_window, warping_error, worn
from letthere_color.hints import Hint
from letthere_color.inference import Colorizer
from letthere_color.small_copy import look_around, paint
from letthere_color.steady import across, follow, level_change, levels, moved, running_mean, shift, SteadyColors

SIZE = 72, 96

@pytest.fixture(scope='module')
def painter(): return Colorizer.from_pretrained('tiny')

@pytest.fixture(scope='module')
def labs():
    photos = sample_photos()
    return {k: rgb2lab(photo2tensor(photos[k].resize((180, 120)))/255) for k in ('china', 'coffee', 'chelsea', 'rocket')}

def pan(lab, n=16, speed=2., seed=0, **kw):
    "True Lab, what the film shows, where pixels were, and whether they were seen"
    path = np.stack([90 + speed*(np.arange(n) - n/2), np.full(n, 60.), np.ones(n)], 1)
    true, grids, seen = through_window(lab, path, SIZE)
    return true, worn(true[:,0], seed=seed, **kw), grids, seen

def looked_at(painter, film, **kw):
    s = SteadyColors(painter, **kw)
    for i, L in enumerate(film): s.look(i, L)
    return s
def coloured(painter, film, **kw):
    s = looked_at(painter, film, **kw)
    return torch.stack([s.colors(i, L) for i, L in enumerate(film)])
def starts(painter, film): return [first for first, _ in looked_at(painter, film).shots]

# ---- shots

def test_cuts(painter, labs):
    films = [pan(o, 12, seed=i)[1] for i, o in enumerate(labs.values())]
    assert starts(painter, torch.cat(films)) == [0, 12, 24, 36]

def test_a_shot_has_three_frames(painter, labs):
    "A shorter one is not found; and none is found in another place instead"
    film = torch.cat([pan(labs['china'], 12)[1], pan(labs['coffee'], 12)[1]])
    for n in (1, 2, 3): assert starts(painter, film[:12+n]) == [0, 12][:1 + (n > 2)]
    for n in (1, 2, 3): assert starts(painter, film[12-n:]) == [0, n][:1 + (n > 2)]

def test_a_flash_is_no_cut(painter, labs):
    film = pan(labs['china'], 20)[1]
    for long in (1, 2):
        lit = film.clone(); lit[9:9+long] = (lit[9:9+long] + 50).clamp(max=100)
        assert starts(painter, lit) == [0]
    white = film.clone(); white[9:11] = 100
    assert starts(painter, white) == [0]

def test_a_cut_beside_a_flash_is_found(painter, labs):
    film = torch.cat([pan(labs['china'], 12)[1], pan(labs['coffee'], 12)[1]])
    film[8] = (film[8] + 50).clamp(max=100)
    assert starts(painter, film) == [0, 12]

@pytest.mark.parametrize('long', [6, 16])
@pytest.mark.parametrize('end', [0., 100.])
def test_fades_are_found(painter, labs, long, end):
    a, b = pan(labs['china'], long + 10, 1.)[1], pan(labs['chelsea'], long + 10, 1.)[1]
    dim = torch.linspace(1, 0, long)[:,None,None]
    a[-long:] = end + (a[-long:] - end)*dim
    b[:long] = end + (b[:long] - end)*dim.flip(0)
    found = starts(painter, torch.cat([a, b]))
    assert len(found) == 2 and abs(found[1] - len(a)) <= 2, found

def test_a_lamp_and_a_fast_pan_are_no_cuts(painter, labs):
    for seed in range(3): assert starts(painter, pan(labs['coffee'], 20, 4., seed, lamp=.1)[1]) == [0]

def test_short_and_empty_films(painter, labs):
    assert looked_at(painter, []).shots == []
    for n in (1, 2, 5): assert starts(painter, pan(labs['china'], n)[1]) == [0]
    assert starts(painter, torch.zeros(12, *SIZE)) == [0]  # black all through

def test_score_against_loops():
    x = np.random.default_rng(0).normal(size=(23, 19)).astype(np.float32).cumsum(0)
    for t in range(5, 18):
        a, b = x[t-5:t], x[t:t+5]
        within = np.mean([*level_change(a, np.median(a, 0)), *level_change(b, np.median(b, 0))])
        want = level_change(np.median(a, 0), np.median(b, 0))/(within + .5)
        np.testing.assert_allclose(across(x, level_change, .5)[t], want, rtol=1e-4)

# ---- one scene for a shot

def test_the_mean_is_symmetric():
    x = np.random.default_rng(0).normal(size=(12, 4))
    a, b = running_mean(x, np.ones(12)), running_mean(x[::-1], np.ones(12))[::-1]
    np.testing.assert_allclose(a, b)
    w = np.ones(12); w[3] = 0
    y = x.copy(); y[3] = 99
    np.testing.assert_allclose(running_mean(x, w), running_mean(y, w))

def test_the_network_gets_that_vector(painter, labs):
    film = pan(labs['china'], 6)[1]
    s = looked_at(painter, film)
    own = torch.cat([look_around(painter.model, o) for o in film[:,None,None]/100])
    mean = torch.from_numpy(running_mean(own.numpy(), np.ones(6))).float()
    want = paint(painter.model, film[:,None]/100, mean)
    assert torch.allclose(s.painted(0, film), want, atol=.02)
    assert torch.allclose(s.painted(2, film[2:4]), want[2:4], atol=.02)

def test_a_network_without_global_features(labs):
    torch.manual_seed(0)
    plain = Colorizer(Colorization(ModelConfig(width=.125, global_size=64, use_global=False)).eval())
    film = torch.cat([pan(labs['china'], 8, 1., lamp=0)[1], pan(labs['rocket'], 8, 1., lamp=0)[1]])
    assert starts(plain, film) == [0, 8]
    assert coloured(plain, film).shape == (16, 2, *SIZE)

# ---- calm

@pytest.fixture(scope='module')
def clip(painter, labs):
    true, film, grids, seen = pan(labs['china'], 16)
    alone = torch.cat([paint(painter.model, o, look_around(painter.model, o)) for o in film[:,None,None]/100])
    return true, film, grids, seen, alone, coloured(painter, film)

def test_half_the_flicker_and_no_greyer(clip):
    true, film, grids, seen, alone, steady = clip
    assert flicker(film, steady) < flicker(film, alone)/2
    before, after = (warping_error(true[:,0], o, grids, seen) for o in (alone, steady))
    assert after[0] < before[0]/2 and after[1] < before[1]
    wrong, now = ((o - true[:,1:]).norm(dim=1).mean() for o in (alone, steady))
    assert now < wrong + .1 and steady.norm(dim=1).mean() > .93*alone.norm(dim=1).mean()

def test_a_still_film_keeps_its_colours(painter, labs):
    film = pan(labs['coffee'], 1, grain=0, lamp=0)[1].expand(5, -1, -1)
    steady = coloured(painter, film)
    assert torch.allclose(steady, steady[:1].expand_as(steady), atol=.05)

def test_shift_and_moved(labs):
    true, film, *_ = pan(labs['china'], 6, 3.)
    assert np.allclose(shift(film[0], film[1]), (-3, 0), atol=.5)
    back = moved(true[0], (-3, 0))
    assert (back - true[1])[:,:,:-4].abs().mean() < .01*true[1].abs().mean()
    assert shift(film[0], film[0]) == (0, 0)

def test_something_that_moves_drags_no_colour():
    h, w = SIZE
    x = torch.arange(w).expand(h, w)
    def frame(at): return torch.where((x - at).abs() < 8, 70., 30.), torch.stack([torch.where((x - at).abs() < 8, 40., 0.), torch.zeros(h, w)])
    (L0, ab0), (L1, ab1) = frame(30), frame(50)
    calm = follow(ab1, L1, ab0, L0)
    wrong = (calm - ab1).norm(dim=0)
    assert wrong[:,24:36].mean() < 2 and wrong[:,46:54].mean() < 2  # where it was, where it is

# ---- nothing goes over a cut

def test_a_cut_bleeds_nothing(painter, labs):
    a, b = pan(labs['rocket'], 10)[1], pan(labs['coffee'], 10)[1]
    assert torch.equal(coloured(painter, torch.cat([a, b]))[10:], coloured(painter, b))

# ---- bars, faded films, styles, hints

def test_bars_are_left_out(painter, labs):
    film = pan(labs['china'], 8)[1]
    barred = F.pad(film, (0, 0, 12, 12), value=2.)
    barred[3, :12] = film[3, :12]  # one frame, in which there is none above
    s = looked_at(painter, barred)
    (l, t, r, b), (h, w) = s.shot(0).box, SIZE
    assert (l, r) == (0, w) and 12 <= t <= 14 and h + 10 <= b <= h + 12
    ab = torch.stack([s.colors(i, o) for i, o in enumerate(barred)])
    assert not ab[:,:,:t].any() and not ab[:,:,b:].any() and ab[:,:,t:b].norm(dim=1).mean() > 2
    inside = coloured(painter, film)
    assert (ab[:,:,16:-16] - inside[:,:,4:-4]).norm(dim=1).mean() < .35*inside.norm(dim=1).mean()

def test_frames_as_told(painter, labs):
    film = pan(labs['china'], 4)[1]
    whole, part = (Colorizer(painter.model, frame=o) for o in ('none', (96, 36, 192, 144)))
    assert looked_at(whole, F.pad(film, (0, 0, 12, 12))).shot(0).box == (0, 0, 96, 96)
    s = looked_at(part, film, size=(192, 144))
    assert s.shot(0).box == (48, 18, 96, 72) and not s.colors(0, film[0])[:,:,:48].any()
    with pytest.raises(ValueError, match='give the size of a frame'): SteadyColors(part)

def test_a_faded_film_is_stretched_by_one_line(painter, labs):
    "However faded: the network sees the same, and paints the same"
    faded = [55 + rest*pan(labs['china'], 6)[1] for rest in (.2, .4)]
    steady = [looked_at(painter, o) for o in faded]
    assert all(o.shot(0).lines is not None for o in steady)
    def apart(a, b): return (a - b).norm(dim=1).mean()
    same = apart(*(s.painted(0, o) for s, o in zip(steady, faded)))
    assert same < .2 and apart(*(paint(painter.model, o[:,None]/100, s.shot(0).around) for s, o in zip(steady, faded))) > 10*same

def test_styles_and_hints_of_a_shot(painter, labs):
    a, b = pan(labs['china'], 8)[1], pan(labs['rocket'], 8)[1]
    film = torch.cat([a, b])
    plain = coloured(painter, film)
    red = lab2rgb(torch.stack([torch.full(SIZE, 50.), torch.full(SIZE, 60.), torch.full(SIZE, 40.)]), torch.uint8).permute(1, 2, 0).numpy()
    styled = coloured(painter, film, styles={1: red})
    assert torch.equal(styled[:8], plain[:8]) and not torch.allclose(styled[8:], plain[8:], atol=1)
    told = coloured(painter, film, size=(192, 144), hints={0: [Hint((96, 72), 'lime', 60)]})
    assert torch.equal(told[8:], plain[8:]) and told[3,0,36,48] < plain[3,0,36,48] - 5
    with pytest.raises(ValueError, match='there is no shot 3: the film has 2'): coloured(painter, film, styles={2: red})
    with pytest.raises(ValueError, match='give the size of a frame'): SteadyColors(painter, hints={0: []})

# ---- order, and stopping

def test_order(painter, labs):
    film = pan(labs['china'], 6)[1]
    s = SteadyColors(painter)
    with pytest.raises(ValueError, match='frame 1: 0 is the next'): s.look(1, film[1])
    s = looked_at(painter, film)
    with pytest.raises(ValueError, match='frame 6 was not looked at'): s.colors(6, film[0])
    s.colors(0, film[0])
    with pytest.raises(ValueError, match='frame 3 after 0'): s.colors(3, film[3])
    with pytest.raises(ValueError, match='give pixels'): SteadyColors(Colorizer(painter.model, 'full'))

@pytest.mark.parametrize('at', [4, 8, 11])
def test_stopped_and_gone_on_with(painter, labs, at, tmp_path):
    film = torch.cat([pan(labs['china'], 8)[1], pan(labs['coffee'], 6)[1]])
    s = looked_at(painter, film)
    np.savez(tmp_path/'looked.npz', **s.looked)
    whole = []
    for i, L in enumerate(film):
        if i == at: kept = s.memory
        whole.append(s.colors(i, L))
    again = SteadyColors(painter, looked=np.load(tmp_path/'looked.npz'))
    again.memory = kept[0], kept[1].numpy(), kept[2].numpy()
    assert again.shots == s.shots
    assert torch.equal(torch.stack([again.colors(i, film[i]) for i in range(at, len(film))]), torch.stack(whole[at:]))

def test_little_is_kept_of_a_frame(painter, labs):
    film = pan(labs['china'], 5)[1]
    c = looked_at(painter, film)
    assert sum(o.nbytes for o in c.looked.values()) < 5*1000 and levels(film[0]).shape == (19,)
    assert all(o.base is None for row in c.rows.values() for o in row)  # no view that keeps more alive: ten minutes lost 600 MB so
