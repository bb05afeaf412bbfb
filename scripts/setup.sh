#!/usr/bin/env bash
# Installs what Cliptune is built with, once, into the cache folder; skips what is already there.
# usage: scripts/setup.sh build   what `make serve` needs
#        scripts/setup.sh test    that, and a browser, its driver and ffmpeg for the tests
source "$(dirname "$0")/environment.sh"
purpose="${1:-build}"
mkdir -p "$TOOLS"

# Debian packages are a last resort, asked for only where a tool is missing.
install_packages() {
  if ! command -v apt-get >/dev/null; then
    echo "Please install: $*. (This script can do it by itself only where apt-get is.)" >&2
    exit 1
  fi
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo -n)
  say "Installing packages: $*"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$CACHE/apt.log" 2>&1 ||
    { tail -n 20 "$CACHE/apt.log" >&2; exit 1; }
}

has_wasm_std() { # has_wasm_std RUSTC
  local sysroot
  sysroot="$("$1" --print sysroot 2>/dev/null)" || return 1
  compgen -G "$sysroot/lib/rustlib/wasm32-unknown-unknown/lib/libstd-*.rlib" >/dev/null
}

set_up_rust() {
  if ! command -v cargo >/dev/null; then
    if [ -x "$HOME/.cargo/bin/cargo" ]; then export PATH="$HOME/.cargo/bin:$PATH"
    else echo "Rust is missing. Install it from rustup.rs (stable, 1.95 or later), then run this again." >&2; exit 1; fi
  fi
  if has_wasm_std rustc; then echo rustup >"$TOOLS/web-toolchain"; return; fi
  if [ -x /usr/bin/rustc ] && has_wasm_std /usr/bin/rustc; then echo distribution >"$TOOLS/web-toolchain"; return; fi
  say "Adding the wasm32-unknown-unknown target"
  if command -v rustup >/dev/null && timeout 120 rustup target add wasm32-unknown-unknown >"$CACHE/rustup.log" 2>&1; then
    echo rustup >"$TOOLS/web-toolchain"; return
  fi
  say "rustup cannot fetch it here; building the standard library from the distribution's source (about a minute)"
  install_packages rustc-web cargo-web rust-web-src lld-22
  build_wasm_std
  echo distribution >"$TOOLS/web-toolchain"
}

# Builds std for wasm32 with the distribution's cargo in an empty crate, and puts the libraries where rustc looks.
# RUSTC_BOOTSTRAP allows -Zbuild-std on a stable compiler; nothing else of Cliptune uses it.
build_wasm_std() {
  local work sysroot host triple=wasm32-unknown-unknown
  work="$(mktemp -d)"
  sysroot="$(/usr/bin/rustc --print sysroot)"
  host="$(/usr/bin/rustc -vV | sed -n 's/^host: //p')"
  mkdir -p "$work/src" && touch "$work/src/lib.rs"
  printf '[package]\nname = "std_builder"\nversion = "0.0.0"\nedition = "2021"\n' >"$work/Cargo.toml"
  (cd "$work" && PATH=/usr/bin:/bin RUSTC_BOOTSTRAP=1 CARGO_PROFILE_RELEASE_PANIC=unwind CARGO_TARGET_DIR="$work/target" \
    cargo build --quiet --release --target "$triple" -Zbuild-std=std,panic_abort,proc_macro,test)
  mkdir -p "$sysroot/lib/rustlib/$triple/lib" "$sysroot/lib/rustlib/$host/bin"
  find "$work/target/$triple" -name '*.rlib' ! -name '*std_builder*' -exec cp {} "$sysroot/lib/rustlib/$triple/lib/" \;
  ln -sfn "$(command -v lld-22 || echo /usr/bin/lld-22)" "$sysroot/lib/rustlib/$host/bin/rust-lld"
  rm -rf "$work"
}

# cargo_tool NAME VERSION PROGRAM OPTIONS…: installs one pinned command-line tool with cargo.
cargo_tool() {
  local name="$1" version="$2" program="$3"
  shift 3
  case "$("$TOOLS/bin/$program" --version 2>/dev/null)" in *" $version"*) return ;; esac
  say "Building $name $version (minutes, once)"
  CARGO_TARGET_DIR="$CACHE/target/tools" cargo install --quiet --root "$TOOLS" "$name" --version "=$version" "$@"
  rm -rf "$CACHE/target/tools"
}

set_up_node() {
  command -v npm >/dev/null || install_packages nodejs npm
  if ! cmp -s "$ROOT/package-lock.json" "$ROOT/node_modules/.installed-lock"; then
    say "Installing the pinned npm packages"
    (cd "$ROOT" && npm ci --silent --no-audit --no-fund --ignore-scripts)
    cp "$ROOT/package-lock.json" "$ROOT/node_modules/.installed-lock"
  fi
  # Under a name that every server takes for JavaScript; wasm-bindgen builds it into the engine (src/video/container.rs).
  cp -u "$ROOT/node_modules/mediabunny/dist/bundles/mediabunny.min.mjs" "$ROOT/node_modules/mediabunny/mediabunny.js"
  # One file of src/hub/push.js and the library that it imports, which no browser could load as it is packaged. It stays
  # a file of its own in the build (index.html), so that only who pushes a model loads it.
  (cd "$ROOT" && node_modules/.bin/esbuild src/hub/push.js --bundle --format=esm --minify --target=es2022 --log-level=warning \
    --alias:@huggingface/hub=./node_modules/@huggingface/hub/dist/browser/index.mjs \
    --banner:js="// Contains @huggingface/hub, MIT License, Copyright (c) 2023 Hugging Face" \
    --outfile=node_modules/@huggingface/push_to_hub.js)
}

set_up_test_programs() {
  local missing=()
  find_chromium >/dev/null || missing+=(chromium)
  command -v chromedriver >/dev/null || missing+=(chromium-driver)
  command -v ffmpeg >/dev/null || missing+=(ffmpeg)
  [ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
}

set_up_rust
set_up_node
cargo_tool wasm-bindgen-cli "$WASM_BINDGEN_VERSION" wasm-bindgen
# Trunk is run a few times a build and waits on cargo: opt-level 1 halves the time it takes to build.
CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
  cargo_tool trunk "$TRUNK_VERSION" trunk --locked --no-default-features --features rustls --ignore-rust-version
[ "$purpose" != test ] || set_up_test_programs
say "Tools are ready in $TOOLS"
