//! Requests to the Hub, from the engine's worker.
//!
//! Comes in: an address and where to start. Goes out: an [`Answer`] whose body comes piece by piece. Dropping it, or
//! the future of it, ends the request. The token goes to the Hub's own host alone: browsers take it off a redirect.

use js_sys::{Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

use super::error::{Asked, HubError, Refusal};

/// Longest error text that is read.
const LONGEST_REFUSAL: usize = 1 << 16;

// By hand: web-sys has these behind features, each of which would build every crate above it again.
#[wasm_bindgen]
extern "C" {
    fn fetch(address: &str, options: &Object) -> Promise;

    pub type AbortController;
    #[wasm_bindgen(constructor, catch)]
    fn new() -> Result<AbortController, JsValue>;
    #[wasm_bindgen(method, getter)]
    fn signal(this: &AbortController) -> JsValue;
    #[wasm_bindgen(method)]
    fn abort(this: &AbortController);

    type ReadableStream;
    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn reader(this: &ReadableStream) -> Result<Reader, JsValue>;

    /// A `ReadableStreamDefaultReader`.
    type Reader;
    #[wasm_bindgen(method)]
    fn read(this: &Reader) -> Promise;
}

/// Ends a request when it is dropped; one that has ended is not changed by it.
pub struct Aborts(AbortController);

impl Aborts {
    pub fn new() -> Option<Self> {
        AbortController::new().ok().map(Self)
    }

    pub fn signal(&self) -> JsValue {
        self.0.signal()
    }
}

impl Drop for Aborts {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Who asks.
pub struct Client {
    pub token: Option<String>,
}

/// An answer with success, whose body is still to come.
pub struct Answer {
    /// Where in the file the body starts.
    pub start: u64,
    response: Response,
    reader: Option<Reader>,
    _aborts: Aborts,
}

/// The body ended before its end.
pub struct Broken;

impl Client {
    /// Asks for what is at an address, from the byte `from` on; a server that has no part from there gives all.
    pub async fn get(&self, address: &str, from: u64, asked: Asked<'_>) -> Result<Answer, HubError> {
        let mut answer = self.ask(address, from, asked).await?;
        if from > 0 && !answer.continues(from) && matches!(answer.response.status(), 206 | 416) {
            answer = self.ask(address, 0, asked).await?;
        }
        match answer.response.status() {
            200 => Ok(answer),
            206 => Ok(Answer { start: from, ..answer }),
            _ => Err(answer.refusal().await.of_download(asked)),
        }
    }

    async fn ask(&self, address: &str, from: u64, asked: Asked<'_>) -> Result<Answer, HubError> {
        let unreachable = || HubError::Unreachable { host: asked.host.to_string() };
        let aborts = Aborts::new().ok_or_else(unreachable)?;
        let headers = Object::new();
        if let Some(token) = &self.token {
            put(&headers, "Authorization", &format!("Bearer {token}").into());
        }
        if from > 0 {
            put(&headers, "Range", &format!("bytes={from}-").into());
        }
        let options = Object::new();
        put(&options, "headers", &headers);
        put(&options, "signal", &aborts.signal());
        // The parts that are kept are cache enough; the browser's own would hold large files a second time.
        put(&options, "cache", &"no-store".into());
        put(&options, "credentials", &"omit".into());
        put(&options, "referrerPolicy", &"no-referrer".into());
        let response = JsFuture::from(fetch(address, &options)).await.map_err(|_| unreachable())?;
        let reader = Reflect::get(&response, &"body".into()).ok().filter(JsValue::is_object);
        let reader = match reader.map(|body| body.unchecked_into::<ReadableStream>().reader()) {
            Some(reader) => Some(reader.map_err(|_| unreachable())?),
            None => None,
        };
        Ok(Answer { start: 0, response: response.unchecked_into(), reader, _aborts: aborts })
    }
}

impl Answer {
    /// The next piece of the body; none after its end.
    pub async fn piece(&mut self) -> Result<Option<Uint8Array>, Broken> {
        let Some(reader) = &self.reader else { return Ok(None) };
        let read = JsFuture::from(reader.read()).await.map_err(|_| Broken)?;
        let part = |name: &str| Reflect::get(&read, &name.into()).map_err(|_| Broken);
        if part("done")?.is_truthy() {
            return Ok(None);
        }
        part("value")?.dyn_into().map(Some).map_err(|_| Broken)
    }

    /// The whole body, which is longer than `limit` by one piece at most.
    pub async fn bytes(&mut self, limit: usize) -> Result<Vec<u8>, Broken> {
        let mut bytes = Vec::new();
        while bytes.len() <= limit {
            match self.piece().await? {
                Some(piece) => bytes.extend(piece.to_vec()),
                None => break,
            }
        }
        Ok(bytes)
    }

    /// Whether this is a part of the file from `from` on. Some servers do not let a page read which part it is.
    fn continues(&self, from: u64) -> bool {
        let range = self.header("Content-Range");
        let start = range.trim_start_matches("bytes ").split('-').next().and_then(|start| start.parse().ok());
        self.response.status() == 206 && (range.is_empty() || start == Some(from))
    }

    async fn refusal(mut self) -> Refusal {
        #[derive(serde::Deserialize)]
        struct Body {
            error: String,
        }
        let mut message = self.header("X-Error-Message");
        if message.is_empty() {
            // A text that breaks off is as good as none.
            let body = self.bytes(LONGEST_REFUSAL).await.unwrap_or_default();
            message = serde_json::from_slice::<Body>(&body).map(|body| body.error).unwrap_or_default();
        }
        let seconds = self.header("Retry-After").parse().ok();
        Refusal { status: self.response.status(), code: self.header("X-Error-Code"), message, seconds }
    }

    /// Empty where it is not there, or not for pages to read.
    fn header(&self, name: &str) -> String {
        self.response.headers().get(name).ok().flatten().unwrap_or_default()
    }
}

fn put(object: &Object, name: &str, value: &JsValue) {
    // Setting a field of a plain object cannot fail.
    let _ = Reflect::set(object, &name.into(), value);
}
