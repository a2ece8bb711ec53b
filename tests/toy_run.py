"Short runs on toy scenes and small folders, for processes of their own; as a program: `toy_run.py FOLDER`."
import sys

import torch
from fastai.callback.core import Callback
from letthere_color.batches import toy_scenes
from letthere_color.colorization import ModelConfig
from letthere_color.files import whole_file
from letthere_color.folders import colorize_files, plan_results
from letthere_color.inference import Colorizer
from letthere_color.training import Recipe
from letthere_color.runs import process_share, train_colorizer

import helpers

class Held(Callback):
    "Says when eight batches are learnt, and waits until it may go on"
    def after_batch(self):
        if self.training and self.dls.train.epoch == 1 and self.iter == 1: helpers.line.send('learning'); helpers.line.recv()

def toy_run(folder, epochs=10, held=False, **kw):
    "Epochs of six steps; without batch norm, for which several processes on CPUs do not see the same batch."
    torch.set_num_threads(1)
    recipe = Recipe(ModelConfig(width=.125, norm=False), epochs=epochs, bs=8, size=32, opt='adamw', lr=1e-3, schedule='cosine', ema=.9, bf16=False, seed=3)
    train_colorizer(toy_scenes(48, size=40, seed=5), toy_scenes(8, size=40, seed=6), folder, recipe, device='cpu', verbose=False, cbs=[Held()]*held, **kw)

def colour_all(folder, out):
    torch.set_num_threads(1)
    return list(colorize_files(Colorizer.from_pretrained('tiny'), plan_results([folder], out, recursive=True)))

def colour_together(folder, out):
    "As `colour_all`, begun when all are ready"
    helpers.line.send('ready'); helpers.line.recv()
    colour_all(folder, out)

def write_held(path):
    "Half of a file, and the other half when told"
    with whole_file(path) as f: f.write(b'who'); helpers.line.send('writing'); helpers.line.recv(); f.write(b'le')

if __name__ == '__main__':
    process, n = process_share()
    print(f'process {process+1} of {n}')
    toy_run(sys.argv[1])
