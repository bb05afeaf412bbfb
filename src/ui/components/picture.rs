//! Pixels -> a canvas.

use std::sync::Arc;

use leptos::prelude::*;
use wasm_bindgen::{Clamped, JsCast};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

use crate::protocol::Picture;

/// Smaller pictures show their pixels when they are enlarged.
pub const SMALL: u32 = 160;

/// Draws a picture at its own size; the style sheet enlarges it. Draws nothing where its bytes do not fit its sides.
pub fn draw(canvas: &HtmlCanvasElement, picture: &Picture) {
    if picture.width == 0 || picture.height == 0 {
        return;
    }
    if canvas.width() != picture.width || canvas.height() != picture.height {
        canvas.set_width(picture.width);
        canvas.set_height(picture.height);
    }
    let context =
        canvas.get_context("2d").ok().flatten().and_then(|context| context.dyn_into::<CanvasRenderingContext2d>().ok());
    let pixels = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&picture.rgba), picture.width, picture.height);
    if let (Some(context), Ok(pixels)) = (context, pixels) {
        // Only a canvas that the browser has dropped refuses, and that one is not seen.
        let _ = context.put_image_data(&pixels, 0, 0);
    }
}

/// A still picture, for the eye only.
#[component]
pub fn Still(picture: Arc<Picture>) -> impl IntoView {
    let canvas = NodeRef::<leptos::html::Canvas>::new();
    let small = picture.width < SMALL;
    Effect::new(move |_| {
        if let Some(canvas) = canvas.get() {
            draw(&canvas, &picture);
        }
    });
    view! { <canvas class="picture" class:pixelated=small node_ref=canvas aria-hidden="true"></canvas> }
}
