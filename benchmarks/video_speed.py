"""How fast films are coloured, and how much memory it takes:

    python benchmarks/video_speed.py [FRAMES] [RESULT.json]

A pan over a photo of scikit-learn at 1280 x 720, H.264; all steps, from the film to the new film. Each model runs in a process of its own."""
import json, os, resource, subprocess, sys, tempfile, time
from pathlib import Path

def make(path, n):
    from letthere_color.core import sample_photos
    from letthere_color.video import need_av
    im = sample_photos()['china'].convert('L').resize((1400, 900))
    with need_av().open(str(path), 'w') as f:
        s = f.add_stream('libx264', 24, options=dict(preset='veryfast', crf='18'))
        s.width, s.height, s.pix_fmt = 1280, 720, 'yuv420p'
        for i in range(n): f.mux(s.encode(need_av().VideoFrame.from_image(im.crop((i%100, 90, i%100 + 1280, 810)))))
        f.mux(s.encode())

def measure(path, model, steady, folder):
    "Seconds of each part on its own, then of all"
    import torch
    from letthere_color.clip_command import colour_one
    from letthere_color.clips import seen
    from letthere_color.inference import Colorizer
    from letthere_color.shots import colours_for
    from letthere_color.video import fill, pictures, read_clip
    from letthere_color.video_parts import Coding, PartWriter
    torch.set_num_threads(1)  # as the parts of a film do
    colorizer, clip, spent, clock = Colorizer.from_pretrained(model), read_clip(path), {}, time.process_time
    begun = clock(); n = sum(1 for _ in pictures(clip)); spent['decode'] = clock() - begun
    some = [o for _, o in zip(range(12), seen(clip, 176))]
    c = colours_for(colorizer, steady)
    begun = clock()
    if c.looked is not None:
        for i, (_, _, copy) in enumerate(some): c.look(i, copy[0,0]*100)
    spent['look'] = (clock() - begun)*n/12
    begun = clock(); ab = [c.steadied(i, l[0], c.painted(i, l)[0])[None] for i, (_, _, copy) in enumerate(some) for l in [copy[:,0]*100]]
    spent['colours'] = (clock() - begun)*n/12
    begun = clock()
    for (p, light, copy), o in zip(some, ab): fill(clip, p.frame, light, o, copy)
    spent['fill'] = (clock() - begun)*n/12
    with open(os.devnull, 'wb') as f:
        w, begun = PartWriter(f, clip, Coding('h264')), clock()
        for p, *_ in some: w.add(p)
        w.close()
    spent['encode'] = (clock() - begun)*n/12
    begun, cpu = time.perf_counter(), clock()
    colour_one(colorizer, str(path), Path(folder)/'out.mp4', True, steady=steady, quiet=True)
    wall, cpu = time.perf_counter() - begun, clock() - cpu
    return dict(model=model, steady=steady, frames=n, frames_per_second=round(n/wall, 1), processor_ms_a_frame=round(1000*cpu/n, 1),
                of_each_part_ms={k: round(1000*v/n, 1) for k, v in spent.items()}, peak_memory_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024),
                load=[round(o, 1) for o in os.getloadavg()])

if __name__ == '__main__':
    if sys.argv[1:2] == ['one']:
        print(json.dumps(measure(sys.argv[2], sys.argv[3], sys.argv[4] == '1', sys.argv[5]))); sys.exit()
    n, out = int((sys.argv[1:2] or [96])[0]), (sys.argv[2:3] or ['nbs/results/video_speed.json'])[0]
    from letthere_color.judging import measured_with
    with tempfile.TemporaryDirectory() as d:
        make(film := Path(d)/'film.mp4', n)
        rows = [json.loads(subprocess.run([sys.executable, __file__, 'one', film, m, s, d], capture_output=True, text=True, check=True).stdout.splitlines()[-1])
                for m in ('tiny', 'small') for s in '01']
    found = dict(command=f'python benchmarks/video_speed.py {n}', size=[1280, 720], film_fps=24, **measured_with(), rows=rows)
    Path(out).write_text(json.dumps(found, indent=1) + '\n')
    for r in rows: print(r)
