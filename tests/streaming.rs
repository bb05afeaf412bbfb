//! Models of hundreds of megabytes pass through a few: what is on the heap while weights are opened, read and loaded.
#![cfg(feature = "native")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::Device;
use cliptune::files::FileSource;
use cliptune::model::classifier::VideoMae;
use cliptune::model::config::VideoMaeConfig;
use cliptune::model::weights::names::expected;
use cliptune::model::weights::{self, compare};
use cliptune::tensors::{NumberFormat, SafetensorsWriter, TensorFiles};
use futures_executor::block_on;

/// Counts the bytes on the heap, and the most there were.
struct Counting;

static ON_THE_HEAP: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn added(bytes: usize) {
    let now = ON_THE_HEAP.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: the system's allocator does all the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        added(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        added(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        ON_THE_HEAP.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const MEGABYTE: usize = 1 << 20;

/// What `job` gives, and how many bytes it had on the heap at most beside what was there.
fn most_bytes<T>(job: impl FnOnce() -> T) -> (T, usize) {
    let before = ON_THE_HEAP.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let result = job();
    (result, MOST.load(Ordering::Relaxed) - before)
}

/// Four layers of ViT-L.
fn config() -> VideoMaeConfig {
    let mut config = VideoMaeConfig {
        hidden_size: 1024,
        num_attention_heads: 16,
        intermediate_size: 4096,
        num_hidden_layers: 4,
        ..VideoMaeConfig::default()
    };
    config.set_labels(&["one", "two"].map(str::to_string));
    config
}

/// A model's weights on disk, each value told by its place.
fn model_file(config: &VideoMaeConfig, format: NumberFormat) -> tempfile::NamedTempFile {
    let tensors = expected(config);
    let mut writer = block_on(SafetensorsWriter::start(&tensors, format, &BTreeMap::new())).unwrap();
    for (_, shape) in &tensors {
        let values: Vec<f32> = (0..shape.iter().product()).map(value_at).collect();
        block_on(writer.write(&values)).unwrap();
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::copy(&mut block_on(writer.finish()).unwrap().reader(), &mut file).unwrap();
    file.flush().unwrap();
    file
}

/// A value that 16 bits hold, too.
fn value_at(place: usize) -> f32 {
    (place % 1021) as f32 / 1024.0
}

/// One test: the count is of all threads, and tests run side by side.
#[test]
fn a_model_of_hundreds_of_megabytes_is_read_and_loaded_in_pieces() {
    let config = config();
    for (format, size) in [(NumberFormat::F32, 4), (NumberFormat::F16, 2)] {
        let disk = model_file(&config, format);
        let file = FileSource::open(disk.path()).unwrap();
        let values: usize = expected(&config).iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert!(values * 4 > 200_000_000 && file.len() as usize > values * size);

        let (files, opening) = most_bytes(|| {
            let files = block_on(TensorFiles::open(&[("model.safetensors".into(), file.clone())])).unwrap();
            assert!(compare(&config, &files).is_complete());
            files
        });
        let ((), reading) = most_bytes(|| {
            for (name, shape) in expected(&config) {
                let mut next = 0;
                let check = |first: usize, piece: &[f32]| {
                    assert!(first == next && piece.iter().zip(first..).all(|(value, at)| *value == value_at(at)));
                    next += piece.len();
                };
                block_on(files.read(&name, check)).unwrap();
                assert_eq!(next, shape.iter().product::<usize>(), "{name}");
            }
        });
        let (model, loading) = most_bytes(|| {
            let model = VideoMae::unfilled(&config, &Device::flex());
            block_on(weights::load(model, &config, &files)).unwrap()
        });
        println!(
            "{format:?}, {} MB: {} kB to open, {} MB to read, {} MB to load beside the model's own {} MB",
            file.len() / MEGABYTE as u64,
            opening / 1024,
            reading / MEGABYTE,
            loading.saturating_sub(4 * values) / MEGABYTE,
            4 * values / MEGABYTE
        );
        assert!(opening < MEGABYTE, "{opening} bytes to open");
        assert!(reading < 16 * MEGABYTE, "{reading} bytes to read");
        assert!(loading >= 4 * values, "the count sees the model: {loading}");
        assert!(loading - 4 * values < 64 * MEGABYTE, "{loading} bytes to load {values} values");
        drop(model);
    }
}
