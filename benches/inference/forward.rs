//! Cliptune's forward pass for benches/inference/worker.mjs: a program for a worker in the browser.
//!
//! Comes in: a configuration, weights, then clips. Goes out: logits. The same model code as the engine's, on the device
//! that is asked for. Never measures.

#[cfg(target_family = "wasm")]
mod browser {
    use burn::tensor::{Device, Tensor, TensorData};
    use cliptune::engine::device;
    use cliptune::files::FileSource;
    use cliptune::model::classifier::VideoMae;
    use cliptune::model::config::VideoMaeConfig;
    use cliptune::model::weights;
    use cliptune::protocol::DeviceChoice;
    use cliptune::tensors::TensorFiles;
    use wasm_bindgen::{JsError, prelude::wasm_bindgen};

    /// A model on a device.
    #[wasm_bindgen]
    pub struct Model {
        model: VideoMae,
        shape: [usize; 4],
        device: Device,
    }

    /// The device of this name, `gpu` or `cpu`, as the engine initialises it; once a worker.
    #[wasm_bindgen]
    pub struct Computer(Device);

    #[wasm_bindgen]
    impl Computer {
        pub async fn of(name: &str) -> Result<Computer, JsError> {
            let choice = if name == "gpu" { DeviceChoice::Gpu } else { DeviceChoice::Cpu };
            Ok(Self(device::choose(choice).await?.0))
        }

        /// `config.json`'s text and `model.safetensors`'s bytes.
        pub async fn open(&self, config: &str, weights: &[u8]) -> Result<Model, JsError> {
            let config = VideoMaeConfig::from_json(config)?;
            let files = [("model.safetensors".to_string(), FileSource::from_bytes(weights))];
            let files = TensorFiles::open(&files).await?;
            let model = weights::load(VideoMae::unfilled(&config, &self.0), &config, &files).await?;
            let [height, width] = config.image_size.height_width();
            Ok(Model { model, shape: [config.num_frames, config.num_channels, height, width], device: self.0.clone() })
        }
    }

    #[wasm_bindgen]
    impl Model {
        /// `pixel_values` [B, T, C, H, W] -> logits [B * K].
        pub async fn logits(&self, clips: usize, pixel_values: Vec<f32>) -> Result<Vec<f32>, JsError> {
            let [frames, channels, height, width] = self.shape;
            let data = TensorData::new(pixel_values, [clips, frames, channels, height, width]);
            let logits = self.model.forward(Tensor::from_data(data, &self.device)).into_data_async().await?;
            Ok(logits.iter::<f32>().collect())
        }
    }
}

fn main() {
    #[cfg(target_family = "wasm")]
    {
        cliptune::engine::constructors::run();
        console_error_panic_hook::set_once();
    }
}
