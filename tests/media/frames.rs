//! What `cliptune::video` makes of a file, for tests/media/worker.js: a program for a worker in the browser.
//!
//! Comes in: a `File`. Goes out: its times, its upright RGB frames, or the sentence that says why not. Never compares.

#[cfg(target_family = "wasm")]
mod browser {
    use cliptune::video::{Frame, Video, VideoError, VideoReader, VideoSource};
    use js_sys::{Array, Object, Reflect, Uint8Array};
    use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
    use web_sys::File;

    /// One open video.
    #[wasm_bindgen]
    pub struct OpenVideo(Video);

    #[wasm_bindgen]
    impl OpenVideo {
        /// Fails, as everything here, with the sentence for the user.
        pub async fn open(file: File) -> Result<OpenVideo, JsValue> {
            let key = format!("{}:{}", file.name(), file.size());
            Video::open(&VideoSource::new(key, file)).await.map(Self).map_err(|error| sentence(&error))
        }

        pub fn codec(&self) -> String {
            self.0.info().codec.clone()
        }

        pub fn width(&self) -> u32 {
            self.0.info().width
        }

        pub fn height(&self) -> u32 {
            self.0.info().height
        }

        /// Of every frame, in seconds from the first.
        pub async fn timestamps(&self) -> Result<Vec<f64>, JsValue> {
            self.0.timestamps(0.0, f64::INFINITY).await.map_err(|error| sentence(&error))
        }

        /// `{width, height, rgb}` for each of `wanted`.
        pub async fn frames(&self, wanted: Vec<f64>) -> Result<Array, JsValue> {
            let frames = self.0.frames(&wanted).await.map_err(|error| sentence(&error))?;
            frames.iter().map(picture).collect()
        }
    }

    fn picture(frame: &Frame) -> Result<JsValue, JsValue> {
        let picture = Object::new();
        Reflect::set(&picture, &"width".into(), &frame.width.into())?;
        Reflect::set(&picture, &"height".into(), &frame.height.into())?;
        Reflect::set(&picture, &"rgb".into(), &Uint8Array::from(frame.rgb.as_slice()))?;
        Ok(picture.into())
    }

    fn sentence(error: &VideoError) -> JsValue {
        JsValue::from_str(&error.to_string())
    }
}

fn main() {
    #[cfg(target_family = "wasm")]
    {
        cliptune::engine::constructors::run();
        console_error_panic_hook::set_once();
    }
}
