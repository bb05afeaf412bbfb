//! Encoded chunks -> frames, through WebCodecs.
//!
//! Comes in: chunks in decoding order, from a key chunk on. Goes out: the wanted frames, upright, told apart by their
//! timestamps, because browsers give them in any order. Never holds more than a few of the decoder's own frames: each
//! is closed as soon as it is copied, or at once where nobody wants it.

use std::{
    cell::{Cell, RefCell},
    collections::{HashSet, VecDeque},
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use js_sys::{JSON, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    CodecState, DomException, EncodedVideoChunk, OffscreenCanvas, OffscreenCanvasRenderingContext2d, VideoDecoder,
    VideoDecoderConfig, VideoDecoderInit, VideoDecoderSupport, VideoFrame, VideoFrameCopyToOptions, VideoPixelFormat,
};

use super::{Frame, VideoError, cache::LeastRecentlyUsed, transform::fitted, upright::Orientation, wide_colours};

/// Hardware decoders hold 8 to 13 frames and then wait without a word.
const LONGEST_QUEUE: u32 = 8;

/// A decoder's frame, closed when dropped.
struct DecodedFrame(VideoFrame);

impl Drop for DecodedFrame {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What the decoder's callbacks leave for the future that drives it.
#[derive(Default)]
struct Arrivals {
    /// In microseconds.
    wanted: RefCell<HashSet<i64>>,
    /// Where chunks tell when they are decoded, not when their frames are shown: the chunks' times. Frames come in the
    /// order in which they are shown, and take the times in turn.
    turns: RefCell<Option<VecDeque<i64>>>,
    frames: RefCell<VecDeque<(i64, DecodedFrame)>>,
    error: RefCell<Option<String>>,
    changed: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Arrivals {
    fn take_in(&self, frame: DecodedFrame) {
        let stamped = frame.0.timestamp().round() as i64;
        let time = self.turns.borrow_mut().as_mut().map_or(Some(stamped), VecDeque::pop_front);
        if let Some(time) = time.filter(|time| self.wanted.borrow().contains(time)) {
            self.frames.borrow_mut().push_back((time, frame));
        }
        self.wake();
    }

    fn wake(&self) {
        self.changed.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Ready once something has arrived since it was last ready.
    fn poll_change(&self, context: &mut Context) -> Poll<()> {
        if self.changed.take() {
            return Poll::Ready(());
        }
        *self.waker.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Decodes one run of chunks. Dropping it closes the decoder and every frame that it holds.
pub struct Decoder {
    decoder: VideoDecoder,
    arrivals: Rc<Arrivals>,
    orientation: Orientation,
    /// Width and height that frames are resized to.
    size: Option<[u32; 2]>,
    copied: Vec<(f64, Frame)>,
    // The decoder calls these as long as it is open.
    _output: Closure<dyn FnMut(VideoFrame)>,
    _error: Closure<dyn FnMut(DomException)>,
    _dequeue: Closure<dyn FnMut()>,
}

impl Drop for Decoder {
    fn drop(&mut self) {
        self.decoder.set_ondequeue(None);
        if self.decoder.state() != CodecState::Closed {
            // Closing an open decoder does not fail.
            let _ = self.decoder.close();
        }
    }
}

const SUPPORTED_BYTES: usize = 1 << 20;

thread_local! {
    /// What the browser said, by the configuration's JSON: asking takes as long as reading a small file, and the videos of
    /// a folder are alike.
    static SUPPORTED: RefCell<LeastRecentlyUsed<bool>> = RefCell::new(LeastRecentlyUsed::new(SUPPORTED_BYTES));
}

/// Whether this browser decodes what `config` describes.
pub async fn is_supported(config: &JsValue) -> bool {
    let described = JSON::stringify(config).ok().and_then(|text| text.as_string());
    if let Some(known) = described.as_ref().and_then(|text| SUPPORTED.with_borrow_mut(|known| known.get(text))) {
        return known;
    }
    let promise = VideoDecoder::is_config_supported(config.unchecked_ref());
    let supported = match JsFuture::from(promise).await {
        Ok(support) => support.unchecked_into::<VideoDecoderSupport>().get_supported().unwrap_or(false),
        // A configuration that makes no sense to it.
        Err(_) => false,
    };
    if let Some(text) = described {
        let bytes = text.len();
        SUPPORTED.with_borrow_mut(|known| known.insert(text, supported, bytes));
    }
    supported
}

impl Decoder {
    /// `in_turn` says that chunks tell when they are decoded, not when their frames are shown.
    pub fn new(
        config: &JsValue,
        orientation: Orientation,
        size: Option<[u32; 2]>,
        in_turn: bool,
    ) -> Result<Self, VideoError> {
        let turns = RefCell::new(in_turn.then(VecDeque::new));
        let arrivals = Rc::new(Arrivals { turns, ..Arrivals::default() });
        let output = {
            let arrivals = arrivals.clone();
            Closure::<dyn FnMut(VideoFrame)>::new(move |frame: VideoFrame| {
                arrivals.take_in(DecodedFrame(frame));
            })
        };
        let error = {
            let arrivals = arrivals.clone();
            Closure::<dyn FnMut(DomException)>::new(move |error: DomException| {
                *arrivals.error.borrow_mut() = Some(error.message());
                arrivals.wake();
            })
        };
        let dequeue = {
            let arrivals = arrivals.clone();
            Closure::<dyn FnMut()>::new(move || arrivals.wake())
        };
        let init = VideoDecoderInit::new(error.as_ref().unchecked_ref(), output.as_ref().unchecked_ref());
        let decoder = VideoDecoder::new(&init).map_err(|error| failed(&error))?;
        decoder.set_ondequeue(Some(dequeue.as_ref().unchecked_ref()));
        let this = Self {
            decoder,
            arrivals,
            orientation,
            size,
            copied: Vec::new(),
            _output: output,
            _error: error,
            _dequeue: dequeue,
        };
        this.decoder.configure(config.unchecked_ref::<VideoDecoderConfig>()).map_err(|error| failed(&error))?;
        Ok(this)
    }

    /// Hands over one chunk once the decoder has room for it. The frame of a chunk that is not wanted is dropped.
    pub async fn decode(&mut self, chunk: &EncodedVideoChunk, wanted: bool) -> Result<(), VideoError> {
        let time = chunk.timestamp().round() as i64;
        if wanted {
            self.arrivals.wanted.borrow_mut().insert(time);
        }
        if let Some(turns) = self.arrivals.turns.borrow_mut().as_mut() {
            turns.push_back(time);
        }
        loop {
            self.copy_arrived().await?;
            if self.decoder.decode_queue_size() < LONGEST_QUEUE {
                break;
            }
            poll_fn(|context| self.arrivals.poll_change(context)).await;
        }
        self.decoder.decode(chunk).map_err(|error| failed(&error))
    }

    /// Waits for the rest; pairs of microseconds and frame, in any order.
    pub async fn finish(mut self) -> Result<Vec<(f64, Frame)>, VideoError> {
        let mut flushed = pin!(JsFuture::from(self.decoder.flush()));
        loop {
            // Frames are copied while the decoder flushes: it may wait for them to be closed.
            let ended = poll_fn(|context| {
                if let Poll::Ready(result) = flushed.as_mut().poll(context) {
                    return Poll::Ready(Some(result));
                }
                self.arrivals.poll_change(context).map(|()| None)
            })
            .await;
            self.copy_arrived().await?;
            if let Some(result) = ended {
                result.map_err(|error| failed(&error))?;
                return Ok(std::mem::take(&mut self.copied));
            }
        }
    }

    async fn copy_arrived(&mut self) -> Result<(), VideoError> {
        loop {
            let arrived = self.arrivals.frames.borrow_mut().pop_front();
            let Some((time, frame)) = arrived else { break };
            let copied = fitted(copy(&frame.0, self.orientation).await?, self.size)?;
            self.copied.push((time as f64, copied));
        }
        match self.arrivals.error.borrow().as_ref() {
            Some(message) => Err(VideoError::Damaged(message.trim_end_matches('.').to_string())),
            None => Ok(()),
        }
    }
}

/// The visible part of the frame, as RGB, upright.
async fn copy(frame: &VideoFrame, orientation: Orientation) -> Result<Frame, VideoError> {
    let (width, height) = match frame.visible_rect() {
        Some(visible) => (visible.width() as u32, visible.height() as u32),
        None => (frame.coded_width(), frame.coded_height()),
    };
    if let Some(rgba) = wide_colours::copy(frame, width, height).await {
        return Ok(orientation.frame(&rgba, width, height));
    }
    let rgba = match copy_rgba(frame).await {
        Some(rgba) if rgba.len() == width as usize * height as usize * 4 => rgba,
        _ => draw_rgba(frame, width, height).map_err(|error| failed(&error))?,
    };
    Ok(orientation.frame(&rgba, width, height))
}

/// None where the browser cannot convert while it copies, as Safari.
async fn copy_rgba(frame: &VideoFrame) -> Option<Vec<u8>> {
    let options = VideoFrameCopyToOptions::new();
    options.set_format(VideoPixelFormat::Rgba);
    let bytes = Uint8Array::new_with_length(frame.allocation_size_with_options(&options).ok()?);
    JsFuture::from(frame.copy_to_with_u8_array_and_options(&bytes, &options)).await.ok()?;
    Some(bytes.to_vec())
}

fn draw_rgba(frame: &VideoFrame, width: u32, height: u32) -> Result<Vec<u8>, JsValue> {
    let canvas = OffscreenCanvas::new(width, height)?;
    let context = canvas.get_context("2d")?.ok_or(JsValue::NULL)?.unchecked_into::<OffscreenCanvasRenderingContext2d>();
    context.draw_image_with_video_frame_and_dw_and_dh(frame, 0.0, 0.0, f64::from(width), f64::from(height))?;
    Ok(context.get_image_data(0, 0, width as i32, height as i32)?.data().to_vec())
}

fn failed(error: &JsValue) -> VideoError {
    let message = Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
    let message = message.filter(|message| !message.is_empty()).unwrap_or_else(|| "decoding failed".into());
    VideoError::Damaged(message.trim_end_matches('.').to_string())
}
