"A short run on toy scenes, as a program: `toy_run.py FOLDER`."
import sys
from letthere_color.batches import toy_scenes
from letthere_color.colorization import ModelConfig
from letthere_color.training import Recipe
from letthere_color.runs import process_share, train_colorizer

def toy_run(folder, **kw):
    "Ten epochs of six steps; without batch norm, for which several processes on CPUs do not see the same batch."
    recipe = Recipe(ModelConfig(width=.125, norm=False), epochs=10, bs=8, size=32, opt='adamw', lr=1e-3, schedule='cosine', ema=.9, bf16=False, seed=3)
    train_colorizer(toy_scenes(48, size=40, seed=5), toy_scenes(8, size=40, seed=6), folder, recipe, device='cpu', verbose=False, **kw)

if __name__ == '__main__':
    process, n = process_share()
    print(f'process {process+1} of {n}')
    toy_run(sys.argv[1])
