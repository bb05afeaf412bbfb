//! A decoder's frame in the colours of HDR -> RGBA, by its matrix alone.
//!
//! Comes in: a frame of WebCodecs. Goes out: RGBA as ffmpeg gives it; none where the browser's own conversion will do.
//! Browsers fit BT.2020, PQ and HLG to a screen, each in its own way; a model is better off with what was stored.

use js_sys::{Array, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::VideoFrame;

use crate::decoders::{
    colour::{Plane, Planes},
    messages::{Colour, Matrix},
};

/// `[height, width, 4]` of the visible part.
pub async fn copy(frame: &VideoFrame, width: u32, height: u32) -> Option<Vec<u8>> {
    let space = get(frame, "colorSpace");
    let told = |name: &str| get(&space, name).as_string().unwrap_or_default();
    if told("primaries") != "bt2020" && told("transfer") != "pq" && told("transfer") != "hlg" {
        return None;
    }
    let depth = match get(frame, "format").as_string()?.as_str() {
        "I420" => 8,
        "I420P10" => 10,
        "I420P12" => 12,
        _ => return None,
    };
    let colour = colour(&space);
    let buffer = Uint8Array::new_with_length(frame.allocation_size().ok()?);
    let layouts = JsFuture::from(frame.copy_to_with_u8_array(&buffer)).await.ok()?.unchecked_into::<Array>();
    let bytes = buffer.to_vec();
    let size = [width as usize, height as usize];
    if depth == 8 {
        return planes(&bytes, 1, &layouts, size, depth, colour);
    }
    let (pairs, _) = bytes.as_chunks();
    let samples: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    planes(&samples, 2, &layouts, size, depth, colour)
}

fn planes<S: Copy + Into<i32>>(
    samples: &[S],
    bytes_of_each: usize,
    layouts: &Array,
    [width, height]: [usize; 2],
    depth: u8,
    colour: Colour,
) -> Option<Vec<u8>> {
    let plane = |index: u32| {
        let layout = layouts.get(index);
        let number = |name: &str| Some(get(&layout, name).as_f64()? as usize / bytes_of_each);
        Some(Plane { samples: samples.get(number("offset")?..)?, stride: number("stride")? })
    };
    let chroma = Some([plane(1)?, plane(2)?]);
    Some(Planes { luma: plane(0)?, chroma, width, height, depth }.picture(0, colour).rgba)
}

/// Of a `VideoColorSpace`.
pub fn colour(space: &JsValue) -> Colour {
    let matrix = match get(space, "matrix").as_string().as_deref() {
        Some("bt709") => Matrix::Bt709,
        Some("bt2020-ncl") => Matrix::Bt2020,
        _ => Matrix::Bt601,
    };
    Colour { matrix, full_range: get(space, "fullRange").is_truthy() }
}

/// A field of an object; nothing where it has none.
pub fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or_default()
}
