# Sourced by the benches that run in the browser: an example program of ours, built as the engine is, into a folder to serve.
build_example() { # build_example NAME SITE
  web cargo build --quiet --release --target wasm32-unknown-unknown --no-default-features --features engine --example "$1"
  web wasm-bindgen --target web --out-dir "$2" --out-name "$1" "$CACHE/target/web/wasm32-unknown-unknown/release/examples/$1.wasm"
  web wasm-opt --output="$2/$1_bg.wasm.small" -Os --enable-simd --enable-bulk-memory --enable-reference-types --enable-nontrapping-float-to-int --enable-sign-ext --enable-mutable-globals --enable-multivalue "$2/$1_bg.wasm"
  mv "$2/$1_bg.wasm.small" "$2/$1_bg.wasm"
}
