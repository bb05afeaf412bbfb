# The two commands that people need are `make serve` and `make test`; both set up what they need first.
.PHONY: serve test build setup check test-native test-browser test-e2e test-interop media-support sizes screenshots held-out bench-cores bench-growth bench-inference bench-start bench-training sample starter people-starter clean

serve: ## Build the page and serve it at http://localhost:8080
	@scripts/setup.sh build
	@scripts/serve.sh

test: ## Set everything up and run every test
	@scripts/test.sh

build: ## Build the page into dist/
	@scripts/setup.sh build
	@scripts/build.sh

check: ## Format and lint
	@scripts/check.sh

test-native: ## The tests that need no browser
	@scripts/setup.sh test
	@scripts/test_native.sh

test-browser: ## The tests that run inside a worker in Chromium
	@scripts/setup.sh test
	@scripts/test_browser.sh

test-e2e: build ## The page in Chromium, as a user uses it
	@scripts/setup.sh test
	@scripts/test_e2e.sh

test-interop: ## Round trips with Python's transformers and torch, which are several GB from the registry
	@scripts/setup.sh test
	@scripts/test_interop.sh

media-support: ## Every frame of every file of ../shared/media in Chromium against ffmpeg, as docs/media-support.md
	@scripts/setup.sh test
	@scripts/media_support.sh

sizes: build ## What each program weighs: raw, gzip, brotli
	@node scripts/sizes.mjs

screenshots: build ## Every state of the page, light and dark, wide and narrow, into test-results/screenshots
	@node tests/e2e/screenshots.mjs test-results/screenshots

held-out: build ## Accuracy on people never seen in training (../shared/media/labelled/weizmann), natively and in Chromium
	@scripts/setup.sh test
	@scripts/held_out_groups.sh

sample: ## Draw the sample data set anew (Python 3 and ffmpeg)
	@python3 scripts/make_sample.py

bench-inference: ## Our forward pass against ONNX Runtime Web's in Chromium, on the same models (docs/inference.md)
	@scripts/setup.sh test
	@scripts/bench_inference.sh

bench-start: build ## What each program weighs, and how long the page takes from nothing (docs/start.md)
	@node scripts/sizes.mjs
	@node benches/start.mjs

bench-cores: build ## A training step on one of the CPU's cores and on more, in Chromium (docs/training.md)
	@node benches/cores.mjs

bench-growth: build ## How time and memory grow with tokens, batch, classes and clips, in Chromium, into docs/growth.md
	@scripts/setup.sh test
	@scripts/bench_growth.sh --out docs/growth.md

bench-training: ## A training step's time beside PyTorch's and TensorFlow.js', and its memory on a GPU (docs/training.md)
	@scripts/setup.sh test
	@scripts/bench_training.sh time
	@scripts/bench_training.sh memory
	@scripts/bench_training.sh browser

people-starter: ## Make the starter model for people anew, in PyTorch (nearly three hours, several GB from the registry)
	@scripts/make_people_starter.sh

starter: ## Make the starter model for shapes anew: draw its clips, train, export (half an hour)
	@scripts/setup.sh test
	@scripts/make_starter.sh

clean: ## Remove what was built here; tools and build caches stay in the cache folder
	@rm -rf dist test-results
