"Run beside the newest fastai (see .ci/run): colour a photo, train for two steps."
import torch
from PIL import Image
from letthere_color.colorization import ModelConfig
from letthere_color.photos import PhotoCache
from letthere_color.inference import Colorizer
from letthere_color.training import colorizer_learner, Recipe

grey = Image.linear_gradient('L').resize((97, 131))
out = Colorizer.from_pretrained()(grey)
assert out.size == grey.size and out.mode == 'RGB'

photos = PhotoCache(torch.randint(0, 256, (16, 64, 64, 3), dtype=torch.uint8), torch.arange(16)%2, ['sea', 'wood'])
learn = colorizer_learner(photos, photos, Recipe(ModelConfig(width=.25), bs=8, size=56, bf16=False), device='cpu')
before = [p.detach().clone() for p in learn.model.parameters()]
with learn.no_bar(), learn.no_logging(): learn.fit(1)
assert any((a != b).any() for a,b in zip(before, learn.model.parameters())), 'two steps changed no weight'
assert all(p.isfinite().all() for p in learn.model.parameters())
with learn.no_bar(), learn.no_logging(): (ab, scores), _ = learn.get_preds(dl=learn.dls.test_dl([grey, grey]))
assert ab.shape == (2, 2, 56, 56) and scores.shape == (2, 2)
print('colours, and trains for two steps')
