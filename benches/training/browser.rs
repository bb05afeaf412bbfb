//! Cliptune's forward pass and training step for benches/training/worker.mjs and benches/growth/worker.mjs: a program for a
//! worker in the browser.
//!
//! Comes in: a size's name or a configuration, then clips and labels. Goes out: logits, losses, and the weights as a file.
//! The engine's own model, loss, gradients and optimizer, on the device that is asked for. Never measures.

#[cfg(target_family = "wasm")]
mod browser {
    use burn::module::Module;
    use burn::tensor::{Device, Tensor, TensorData};
    use cliptune::engine::device;
    use cliptune::model::classifier::{VideoMae, cross_entropy};
    use cliptune::model::config::{ModelSize, VideoMaeConfig};
    use cliptune::model::weights;
    use cliptune::protocol::DeviceChoice;
    use cliptune::tensors::NumberFormat;
    use cliptune::train::optimizer::{AdamW, GradientSum};
    use replace_with::replace_with_or_abort;
    use wasm_bindgen::{JsError, prelude::wasm_bindgen};

    /// The gradients' global norm at most.
    const CLIP: f64 = 1.0;
    const LEARNING_RATE: f64 = 1e-4;
    /// None, so that the step is the one of TensorFlow.js' Adam. It takes as long as any other.
    const WEIGHT_DECAY: f64 = 0.0;

    /// The device of this name, `gpu` or `cpu`, as the engine initialises it; once a worker.
    #[wasm_bindgen]
    pub struct Computer(Device);

    #[wasm_bindgen]
    impl Computer {
        pub async fn of(name: &str) -> Result<Computer, JsError> {
            let choice = if name == "gpu" { DeviceChoice::Gpu } else { DeviceChoice::Cpu };
            Ok(Self(device::choose(choice).await?.0))
        }

        /// A model of random weights: a size that the page offers.
        pub fn of_size(&self, size: &str, classes: usize, seed: u32) -> Result<Trainee, JsError> {
            let size = ModelSize::from_name(size).ok_or_else(|| {
                JsError::new(&format!("There is no size {size}; there are micro, tiny, small and base."))
            })?;
            let labels: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
            Ok(Trainee::new(size.config(&labels), seed, &self.0))
        }

        /// A model of random weights: `config.json`'s text.
        pub fn of_config(&self, config: &str, seed: u32) -> Result<Trainee, JsError> {
            Ok(Trainee::new(VideoMaeConfig::from_json(config)?, seed, &self.0))
        }
    }

    /// A model on a device, and its optimizer.
    #[wasm_bindgen]
    pub struct Trainee {
        /// With autodiff.
        model: VideoMae,
        optimizer: AdamW,
        config: VideoMaeConfig,
        /// Without autodiff.
        device: Device,
    }

    #[wasm_bindgen]
    impl Trainee {
        fn new(config: VideoMaeConfig, seed: u32, device: &Device) -> Self {
            let model = VideoMae::new(&config, seed.into(), &device.clone().autodiff());
            Self { model, optimizer: AdamW::new(WEIGHT_DECAY), config, device: device.clone() }
        }

        /// `config.json`'s text.
        pub fn config(&self) -> Result<String, JsError> {
            Ok(serde_json::to_string(&self.config)?)
        }

        /// `model.safetensors`'s bytes.
        pub async fn weights(&self) -> Result<Vec<u8>, JsError> {
            let file = weights::save(&self.model, &self.config, NumberFormat::F32).await?;
            Ok(file.read_all().await?)
        }

        /// `pixel_values` [B, T, C, H, W] -> logits [B * K].
        pub async fn forward(&self, clips: usize, pixel_values: Vec<f32>) -> Result<Vec<f32>, JsError> {
            let pixels = self.clips(clips, pixel_values, &self.device);
            let logits = self.model.valid().forward(pixels).into_data_async().await?;
            Ok(logits.iter::<f32>().collect())
        }

        /// One step on `pixel_values` [B, T, C, H, W] and `labels` [B]; goes out: the loss before it.
        pub async fn step(&mut self, pixel_values: Vec<f32>, labels: Vec<i32>) -> Result<f32, JsError> {
            let clips = labels.len();
            let training = self.device.clone().autodiff();
            let pixels = self.clips(clips, pixel_values, &training);
            let loss = cross_entropy(self.model.forward(pixels), &labels);
            let mut gradients = GradientSum::default();
            gradients.add(&self.model, &mut loss.backward(), 1.0);
            gradients.clip(CLIP);
            let optimizer = &mut self.optimizer;
            replace_with_or_abort(&mut self.model, |model| optimizer.step(model, gradients, LEARNING_RATE));
            let loss = loss.without_autodiff().into_data_async().await?;
            loss.iter::<f32>().next().ok_or_else(|| JsError::new("The loss came back empty."))
        }

        fn clips(&self, clips: usize, pixel_values: Vec<f32>, device: &Device) -> Tensor<5> {
            let [height, width] = self.config.image_size.height_width();
            let shape = [clips, self.config.num_frames, self.config.num_channels, height, width];
            Tensor::from_data(TensorData::new(pixel_values, shape), device)
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
