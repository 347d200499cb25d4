# Everything runs in .venv, which the first target builds. PYTHON=python3.12 chooses another interpreter.
PYTHON ?= python3
BIN := .venv/bin
ILRM := $(BIN)/ilrm
PYTEST := OMP_WAIT_POLICY=passive $(BIN)/python -m pytest
OUT := out
ARGS ?=

.PHONY: demo film test test-slow test-gpu test-formats test-blender test-browser check bench scaling gpu-table train-cpu train-gpu hashes viewer clean

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@

demo: .venv/installed  ## A sample scene becomes a splat and a fly-through
	mkdir -p $(OUT)
	$(ILRM) reconstruct sample_scenes/posed -w -o $(OUT)/scene.ply
	$(ILRM) render $(OUT)/scene.ply --path auto -w -o $(OUT)/scene.mp4

film: .venv/installed  ## The animation in the README
	mkdir -p $(OUT)
	$(ILRM) reconstruct sample_scenes/posed --refine 50 -w -o $(OUT)/scene.ply
	$(ILRM) render $(OUT)/scene.ply --side-by-side --channels rgb,depth --size 320x240 --fps 12 -w -o sample_scenes/film.webp

test: .venv/installed  ## The whole suite except what is marked slow, gpu or browser
	$(PYTEST) --numprocesses auto --maxprocesses 4 --dist loadfile

test-slow: .venv/installed  ## What takes minutes: real photos from end to end, commands that are killed, Ray
	$(BIN)/pip install --quiet -c constraints.txt -e ".[ray]"
	$(PYTEST) -m slow

test-gpu: .venv/installed  ## What needs a CUDA device
	$(BIN)/pip install --quiet -c constraints.txt -e ".[cuda]"
	$(PYTEST) -m gpu

# What formats are checked against: https://github.com/playcanvas/splat-transform, MIT, for scenes, and for meshes
# https://github.com/KhronosGroup/glTF-Validator, Apache 2.0.
CONVERTER := @playcanvas/splat-transform@3.7.0
VALIDATOR := gltf-validator@2.0.0-dev.3.10

test-formats: .venv/installed  ## Files of splat formats and glTF against the field's own programs (needs npm)
	npm install --silent --no-save --no-package-lock --prefix .npm $(CONVERTER) $(VALIDATOR)
	$(PYTEST) -m reference

test-blender: .venv/installed  ## Meshes in Blender, which is a library of its own environment (needs Python 3.11)
	$(PYTHON) -m venv .blender
	.blender/bin/pip install --quiet bpy==4.5.15 numpy
	ILRM_TEST_BLENDER=.blender/bin/python $(PYTEST) -m slow tests/scene/test_mesh_programs.py

test-browser: .venv/installed  ## What needs Chromium (Debian: apt install chromium); ILRM_TEST_BROWSER names another
	$(PYTEST) -m browser

check: .venv/installed  ## Formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/installed  ## Speed, as ratios to this machine's own limits, into out/bench
	mkdir -p $(OUT)
	$(ILRM) bench -o $(OUT)/bench

scaling: .venv/installed  ## ilrm_cli/bench/SCALING.md: time, memory and operations over views and pixels
	mkdir -p $(OUT)
	$(ILRM) bench scaling -o $(OUT)/scaling
	cp $(OUT)/scaling/SCALING.md $(OUT)/scaling/scaling_*.png ilrm_cli/bench

gpu-table: .venv/installed  ## What needs a CUDA device: seconds, memory and share of the limit at the paper's sizes
	mkdir -p $(OUT)
	$(BIN)/pip install --quiet -c constraints.txt -e ".[cuda]"
	$(ILRM) bench gpu compiled -o $(OUT)/gpu

train-cpu: .venv/installed  ## The shipped model trained on, into runs/cpu; stop and go on at will. ARGS="--minutes 60"
	$(ILRM) train runs/cpu --preset cpu $(ARGS)

train-gpu: .venv/installed  ## The same on all GPUs of this machine, into runs/gpu
	$(BIN)/pip install --quiet -c constraints.txt -e ".[cuda]"
	$(BIN)/torchrun --nproc-per-node gpu -m ilrm_cli.cli.app train runs/gpu --preset gpu --device cuda $(ARGS)

hashes:  ## After changing the shipped weights: what `ilrm models verify` holds them to
	cd ilrm_cli/weights && sha256sum *.safetensors *.json > SHA256SUMS

# The viewer inside our pages, as npm delivers it: https://github.com/playcanvas/supersplat-viewer, MIT.
VIEWER := @playcanvas/supersplat-viewer@1.36.2
VIEWER_SHA256 := a3bb9fe033267b6e8665b9486944fa2f53e12b7d77a2eabcbce6394bd81dc3e2

viewer:  ## Fetches the vendored viewer anew (needs npm); another version has another VIEWER_SHA256
	cd ilrm_cli/visualize/page/supersplat && npm pack --silent $(VIEWER) && echo "$(VIEWER_SHA256)  $$(ls *.tgz)" | sha256sum -c
	cd ilrm_cli/visualize/page/supersplat && tar -xzf *.tgz --no-same-permissions --strip-components=2 \
		package/public/index.html package/public/index.css package/public/index.js
	cd ilrm_cli/visualize/page/supersplat && tar -xzf *.tgz --strip-components=1 package/LICENSE && rm *.tgz
	cd ilrm_cli/visualize/page/supersplat && sha256sum index.html index.css index.js LICENSE > SHA256SUMS

clean:
	rm -rf .venv .npm .blender $(OUT)
