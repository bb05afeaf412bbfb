//! What is done with an input: by the fuzz targets with what libFuzzer makes up, by tests/tensors with the corpus.

use cliptune::files::FileSource;
use cliptune::model::config::VideoMaeConfig;
use cliptune::tensors::TensorFiles;
use futures_util::FutureExt;

/// Values that are read of an input: many tensors can share one storage, and reading them all would take hours.
const VALUES_LIMIT: usize = 1 << 20;

/// The first byte says what the rest is: a safetensors file, a PyTorch file, or a list of shards (with its length in two
/// bytes before it) and one shard. Whatever opens must keep its promises.
pub fn tensors(input: &[u8]) {
    let Some((&kind, rest)) = input.split_first() else { return };
    let (index, shard) = rest.split_at_checked(2).map_or((rest, rest), |(length, rest)| {
        let length = length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
        rest.split_at(length.min(rest.len()))
    });
    let files = match kind % 4 {
        0 => vec![("model.safetensors", rest)],
        1 => vec![("pytorch_model.bin", rest)],
        2 => vec![("model.safetensors.index.json", index), ("model-00001-of-00001.safetensors", shard)],
        _ => vec![("pytorch_model.bin.index.json", index), ("pytorch_model-00001-of-00001.bin", shard)],
    };
    let source = |(name, bytes): (&str, &[u8])| (name.to_string(), FileSource::from_bytes(bytes));
    let files: Vec<_> = files.into_iter().map(source).collect();
    let Some(Ok(opened)) = TensorFiles::open(&files).now_or_never() else { return };
    let mut values_read = 0;
    for name in opened.names() {
        let expected: usize = opened.get(name).expect("a name that is listed is there").shape.iter().product();
        assert!(expected / 2 <= input.len(), "{name} claims more than the file holds");
        values_read += expected;
        if values_read > VALUES_LIMIT {
            return;
        }
        let mut found = 0;
        let read = opened.read(name, |position, values| {
            assert!(position == found && values.iter().all(|value| value.is_finite()));
            found += values.len();
        });
        if read.now_or_never().expect("memory is ready at once").is_ok() {
            assert_eq!(found, expected, "{name} has the values that its shape says");
        }
    }
}

/// A `config.json` that passes must describe sizes that can be multiplied where `usize` has 32 bits, too.
pub fn config(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(config) = VideoMaeConfig::from_json(text) else { return };
    let fits = |sizes: &[usize]| {
        sizes.iter().try_fold(1u32, |product, &size| product.checked_mul(size.try_into().ok()?)).is_some()
    };
    assert!(fits(&config.grid()), "tokens of a clip");
    let [patch_height, patch_width] = config.patch_size.height_width();
    let [height, width] = config.image_size.height_width();
    assert!(fits(&[config.num_channels, config.tubelet_size, patch_height, patch_width]), "values of a tubelet");
    assert!(fits(&[config.num_frames, config.num_channels, height, width]), "values of a clip");
    assert_eq!(config.labels().len(), config.id2label.len());
}
