//! A model by its name -> its files on this device, each with the checksum that the Hub gives.
//!
//! Comes in: what the user wrote, and which Hub. Goes out: [`Fetched`]. Texts are held in memory, weights part by part
//! on disk; what was kept of a file is not fetched again. Never opens the weights.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, DedicatedWorkerGlobalScope, StorageEstimate};

use super::Meter;
use super::address::{ModelAddress, checked_endpoint, host_of};
use super::checksum::{Checksum, Running};
use super::client::{Answer, Client};
use super::error::{Asked, HubError};
use super::listing::{Listing, PREPROCESSORS, RemoteFile, Weights, check_config};
use super::parts::{self, Denied};
use crate::files::{FileError, FileSource, PIECE};
use crate::protocol::Hub;

/// A part that is kept, in bytes: what is lost at most where the browser is closed.
const PART: u64 = 8 << 20;
/// More than the Hub's longest list.
const LONGEST_LISTING: usize = 64 << 20;

/// A model's files, as they are at one commit.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub repository: String,
    /// The commit.
    pub revision: String,
    /// As the model's card writes it.
    pub licence: Option<String>,
    /// Under the names by which a checkpoint knows them.
    pub files: Vec<(String, FileSource)>,
    /// Of the files whose parts lie on disk.
    in_parts: Vec<Checksum>,
}

/// Fetches what a model needs; `progress` hears of the file at hand and of the bytes so far and in all.
pub async fn fetch(model: &str, hub: &Hub, progress: impl FnMut(&str, u64, u64)) -> Result<Fetched, HubError> {
    let address = ModelAddress::parse(model)?;
    // The token is for the Hub that is set, and not for whatever a pasted address names.
    let set = checked_endpoint(&hub.endpoint);
    let (endpoint, token) = match &address.endpoint {
        Some(other) if set.as_ref() != Ok(other) => (other.clone(), None),
        _ => (set?, hub.token.clone()),
    };
    let download = Download { address, endpoint, client: Client { token } };
    download.run(progress).await
}

/// Deletes the parts of a model that is kept elsewhere now.
pub async fn forget(fetched: &Fetched) {
    for checksum in &fetched.in_parts {
        // What cannot be deleted now is too old in a week.
        let _ = parts::forget(checksum).await;
    }
}

struct Download {
    address: ModelAddress,
    endpoint: String,
    client: Client,
}

impl Download {
    async fn run(&self, progress: impl FnMut(&str, u64, u64)) -> Result<Fetched, HubError> {
        parts::forget_abandoned().await.map_err(|denied| self.denied("the model", denied))?;
        let repository = &self.address.repository;
        let listing = self.listing().await?;
        let selection = listing.select(repository)?;
        let mut files = Vec::new();
        let mut done = 0;
        for text in &selection.texts {
            let bytes = self.text(text, &listing.commit).await?;
            if files.is_empty() {
                check_config(repository, &bytes)?;
            }
            done += text.size;
            let is_preprocessor = PREPROCESSORS.contains(&text.name.as_str());
            let name = if is_preprocessor { PREPROCESSORS[0].to_string() } else { text.name.clone() };
            files.push((name, FileSource::from_bytes(bytes)));
        }
        let weights = match selection.weights {
            Weights::Whole(file) => vec![file],
            Weights::Sharded(index) => {
                let bytes = self.text(&index, &listing.commit).await?;
                let shards = listing.shards(repository, &index.name, &bytes)?;
                done += index.size;
                files.push((index.name, FileSource::from_bytes(bytes)));
                shards
            }
        };
        let size: u64 = weights.iter().map(|file| file.size).sum();
        self.check_room(&weights, size).await?;
        let mut meter = Meter::new(done + size, done, progress);
        for file in &weights {
            files.push((file.name.clone(), self.large(file, &listing.commit, &mut meter).await?));
        }
        Ok(Fetched {
            repository: repository.clone(),
            revision: listing.commit,
            licence: listing.licence,
            files,
            in_parts: weights.into_iter().map(|file| file.checksum).collect(),
        })
    }

    async fn listing(&self) -> Result<Listing, HubError> {
        let url = self.address.listing_url(&self.endpoint);
        let mut answer = self.client.get(&url, 0, self.asked(None)).await?;
        let bytes = answer.bytes(LONGEST_LISTING).await.map_err(|_| self.unreachable())?;
        Listing::parse(&bytes).ok_or_else(|| HubError::Listing { host: host_of(&self.endpoint).to_string() })
    }

    /// A small file, whole.
    async fn text(&self, file: &RemoteFile, commit: &str) -> Result<Vec<u8>, HubError> {
        let mut answer = self.get(file, commit, 0).await?;
        let limit = usize::try_from(file.size).unwrap_or(usize::MAX);
        let bytes = answer.bytes(limit).await.map_err(|_| HubError::Cut { file: file.name.clone() })?;
        if file.checksum.fits(&bytes) { Ok(bytes) } else { Err(self.mismatch(file)) }
    }

    /// A large file, in parts that are kept as they come.
    async fn large(
        &self,
        file: &RemoteFile,
        commit: &str,
        meter: &mut Meter<impl FnMut(&str, u64, u64)>,
    ) -> Result<FileSource, HubError> {
        let before = meter.done;
        let mut running = Running::new(&file.checksum, file.size);
        let mut have = 0;
        let kept: Vec<FileSource> = self.kept(file).await?.into_iter().map(FileSource::from).collect();
        meter.set(&file.name, before + kept.iter().map(FileSource::len).sum::<u64>());
        for part in &kept {
            self.check_over(file, part, &mut running, &mut have).await?;
        }
        if have < file.size {
            let mut answer = self.get(file, commit, have).await?;
            if answer.start < have {
                // The server gives no parts.
                self.drop_parts(file).await?;
                running = Running::new(&file.checksum, file.size);
                have = 0;
            }
            let mut arriving = Arriving { file, running, have, pieces: Array::new(), pending: 0 };
            self.receive(&mut answer, &mut arriving, |have| meter.set(&file.name, before + have)).await?;
            running = arriving.running;
            have = arriving.have;
        }
        meter.set(&file.name, before + have);
        if have != file.size || !running.fits(&file.checksum) {
            self.drop_parts(file).await?;
            return Err(self.mismatch(file));
        }
        // From the disk, so that what came through memory is let go.
        let whole = Array::from_iter(self.kept(file).await?);
        let whole = Blob::new_with_blob_sequence(&whole).map_err(|_| self.denied(&file.name, Denied::Full))?;
        Ok(whole.into())
    }

    /// Reads an answer to its end; keeps what came also where it is cut.
    async fn receive(
        &self,
        answer: &mut Answer,
        arriving: &mut Arriving<'_>,
        mut so_far: impl FnMut(u64),
    ) -> Result<(), HubError> {
        loop {
            let piece = answer.piece().await;
            let is_over = !matches!(piece, Ok(Some(_)));
            if let Ok(Some(piece)) = piece {
                arriving.take(&piece);
                so_far(arriving.have);
            }
            if is_over || arriving.pending >= PART || arriving.have > arriving.file.size {
                arriving.keep().await.map_err(|denied| self.denied(&arriving.file.name, denied))?;
            }
            match is_over {
                true if arriving.have < arriving.file.size => {
                    return Err(HubError::Cut { file: arriving.file.name.clone() });
                }
                true => return Ok(()),
                // More than the file: the checksum will tell.
                false if arriving.have > arriving.file.size => return Ok(()),
                false => {}
            }
        }
    }

    /// Takes a kept part into the checksum, without holding it.
    async fn check_over(
        &self,
        file: &RemoteFile,
        part: &FileSource,
        running: &mut Running,
        have: &mut u64,
    ) -> Result<(), HubError> {
        let mut at = 0;
        while at < part.len() {
            let end = (at + PIECE).min(part.len());
            let bytes = part.read(at..end).await.map_err(|error| match error {
                FileError::Full => self.denied(&file.name, Denied::Full),
                other => self.denied(&file.name, Denied::Browser(other.to_string())),
            })?;
            running.update(&bytes);
            at = end;
        }
        *have += part.len();
        Ok(())
    }

    /// Says at once where the weights will not fit: once in parts, and once where they are kept for good.
    async fn check_room(&self, weights: &[RemoteFile], size: u64) -> Result<(), HubError> {
        let mut needed = 2 * size;
        for file in weights {
            needed = needed.saturating_sub(self.kept(file).await?.iter().map(|part| part.size() as u64).sum());
        }
        match free_room().await {
            Some(free) if free < needed => {
                Err(HubError::NoRoom { repository: self.address.repository.clone(), needed, free })
            }
            _ => Ok(()),
        }
    }

    async fn get(&self, file: &RemoteFile, commit: &str, from: u64) -> Result<Answer, HubError> {
        let url = self.address.file_url(&self.endpoint, commit, &file.name);
        self.client.get(&url, from, self.asked(Some(&file.name))).await
    }

    async fn kept(&self, file: &RemoteFile) -> Result<Vec<Blob>, HubError> {
        parts::kept(&file.checksum).await.map_err(|denied| self.denied(&file.name, denied))
    }

    async fn drop_parts(&self, file: &RemoteFile) -> Result<(), HubError> {
        parts::forget(&file.checksum).await.map_err(|denied| self.denied(&file.name, denied))
    }

    fn asked<'a>(&'a self, file: Option<&'a str>) -> Asked<'a> {
        Asked {
            host: host_of(&self.endpoint),
            repository: &self.address.repository,
            revision: &self.address.revision,
            file,
            with_token: self.client.token.is_some(),
        }
    }

    fn denied(&self, file: &str, denied: Denied) -> HubError {
        match denied {
            Denied::Full => HubError::Full { file: file.to_string() },
            Denied::Browser(reason) => HubError::Storage(reason),
        }
    }

    fn mismatch(&self, file: &RemoteFile) -> HubError {
        HubError::Mismatch { file: file.name.clone(), host: host_of(&self.endpoint).to_string() }
    }

    fn unreachable(&self) -> HubError {
        HubError::Unreachable { host: host_of(&self.endpoint).to_string() }
    }
}

/// A file on its way: its pieces wait in the browser's memory until they make a part.
struct Arriving<'a> {
    file: &'a RemoteFile,
    running: Running,
    /// Bytes from the file's start, with those that are pending.
    have: u64,
    pieces: Array,
    pending: u64,
}

impl Arriving<'_> {
    fn take(&mut self, piece: &Uint8Array) {
        self.running.update(&piece.to_vec());
        self.have += u64::from(piece.length());
        self.pending += u64::from(piece.length());
        self.pieces.push(piece);
    }

    async fn keep(&mut self) -> Result<(), Denied> {
        if self.pending > 0 {
            let part = Blob::new_with_u8_array_sequence(&self.pieces).map_err(|_| Denied::Full)?;
            parts::keep(&self.file.checksum, self.have - self.pending, &part).await?;
            self.pieces = Array::new();
            self.pending = 0;
        }
        Ok(())
    }
}

/// Bytes that this site may still store; none where the browser does not tell.
async fn free_room() -> Option<u64> {
    let scope = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>().ok()?;
    let estimate = JsFuture::from(scope.navigator().storage().estimate().ok()?).await.ok()?;
    let estimate: StorageEstimate = estimate.unchecked_into();
    Some((estimate.get_quota()? - estimate.get_usage()?).max(0.0) as u64)
}
