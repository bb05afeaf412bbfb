//! What can go wrong between this device and the Hub, each a sentence for the user.
//!
//! Comes in: the status, the headers and the text of an answer that is a refusal. Goes out: a [`HubError`].
//! Never holds a token.

/// Why a model was not fetched or not pushed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    #[error(
        "\"{0}\" is not a model of the Hub. Write owner/name, owner/name@revision, or the address of the model's page."
    )]
    Address(String),
    #[error("\"{0}\" is not the address of a Hub. It begins with https://; http:// is for localhost only.")]
    Endpoint(String),
    #[error("\"{0}\" cannot be the name of a repository. Write owner/name, with letters, digits, -, _ and . only.")]
    Repository(String),
    #[error("The Hub takes models only from users it knows. Give an access token with write permission.")]
    NoToken,
    #[error("That is not an access token; one begins with hf_. Copy it again from your settings on the Hub.")]
    Token,

    #[error("{repository} is not on {host}, or it is private. Check the name; for a private model, give your token.")]
    NoModel { repository: String, host: String },
    #[error(
        "{repository} has no revision \"{revision}\". Check its branches and tags on {host}, or leave the revision out."
    )]
    NoRevision { repository: String, revision: String, host: String },
    #[error("{file} of {repository} is listed but not there. Ask whoever keeps {host}, or try another revision.")]
    NoFile { repository: String, file: String, host: String },
    #[error(
        "{repository} is gated: accept its conditions on its page at {host} first, then try again with your access token."
    )]
    Gated { repository: String, host: String },
    #[error("{host} does not know the access token. Copy it again from your settings there; it may have expired.")]
    BadToken { host: String },
    #[error("{host} does not let you fetch {repository}{}.", told(.message))]
    Forbidden { repository: String, host: String, message: String },
    #[error("{host} has had too many requests from here. Try again {}.", when(*.seconds))]
    TooMany { host: String, seconds: Option<u64> },
    #[error("{host} has a problem of its own (status {status}). Try again in some minutes.")]
    Server { host: String, status: u16 },
    #[error("{host} gave an answer that was not expected (status {status}){}. Check the Hub's address.", told(.message))]
    Unexpected { host: String, status: u16, message: String },
    #[error("{host} cannot be reached. Check the connection and the Hub's address, then try again.")]
    Unreachable { host: String },
    #[error(
        "The connection was cut while {file} was fetched. What came is kept: download again, and it goes on from there."
    )]
    Cut { file: String },
    #[error(
        "{file} did not come as {host} says it is: its checksum is another. It was thrown away; download it again."
    )]
    Mismatch { file: String, host: String },

    #[error("The answer of {host} is not a list of a model's files. Check the Hub's address.")]
    Listing { host: String },
    #[error("{repository} has no config.json, so it is not a model in Hugging Face's layout. Choose another one.")]
    NoConfig { repository: String },
    #[error(
        "{repository} has no preprocessor_config.json, so it does not say how its clips are prepared. Choose another one."
    )]
    NoPreprocessor { repository: String },
    #[error("{repository} is not VideoMAE but {found}. Choose a VideoMAE model.")]
    NotVideoMae { repository: String, found: String },
    #[error(
        "{repository} has no weights that can be read here: model.safetensors or pytorch_model.bin, whole or in shards."
    )]
    NoWeights { repository: String },
    #[error("{file} of {repository} names shards that are not there. Try another revision, or tell its owner.")]
    Shards { repository: String, file: String },
    #[error("{file} of {repository} is {}, much more than such a file can need. Choose another model.", amount(*.size))]
    Oversized { repository: String, file: String, size: u64 },

    #[error(
        "{repository} needs {} of room in this browser while it is fetched and kept, and {} are free. Delete models or other files first.",
        amount(*.needed), amount(*.free)
    )]
    NoRoom { repository: String, needed: u64, free: u64 },
    #[error("The disk is full. What came of {file} is kept: make room, and download again to go on.")]
    Full { file: String },
    #[error(
        "The browser does not keep what is fetched: {0}. Leave private browsing, or allow this site to store data."
    )]
    Storage(String),

    #[error("The token does not allow you to write to {repository} on {host}{}. Make one with write permission.", told(.message))]
    NotYours { repository: String, host: String, message: String },
    #[error("{host} has no user and no organisation of the name in {repository}. Check the part before the /.")]
    NoOwner { repository: String, host: String },
    #[error(
        "{repository} was there already and is public, but it was to be private. Choose another name, or make it private on {host}."
    )]
    Public { repository: String, host: String },
    #[error("{repository} was changed on {host} at the same time. Push again.")]
    Conflict { repository: String, host: String },
    #[error("{host} does not take files of this size. Export the weights as f16, or ask whoever keeps it.")]
    TooLarge { host: String },
    #[error(
        "The part of this page that pushes models could not be loaded. Check the connection, reload the page, try again."
    )]
    Library,
}

/// What an answer that is no success says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// `X-Error-Code`; empty where there is none.
    pub code: String,
    /// `X-Error-Message`, or the `error` of a JSON body; empty where there is neither.
    pub message: String,
    /// `Retry-After`.
    pub seconds: Option<u64>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub host: &'a str,
    pub repository: &'a str,
    pub revision: &'a str,
    pub file: Option<&'a str>,
    pub with_token: bool,
}

impl Refusal {
    /// The sentence for a download. The Hub hides private models: who gives no token is told 401 for them, and for
    /// those that do not exist.
    pub fn of_download(self, asked: Asked) -> HubError {
        let (repository, host) = (asked.repository.to_string(), asked.host.to_string());
        match (self.status, self.code.as_str()) {
            (401 | 403, _) if self.is_gated() => HubError::Gated { repository, host },
            (_, "RevisionNotFound") => HubError::NoRevision { repository, revision: asked.revision.to_string(), host },
            (404, code) if code != "RepoNotFound" && asked.file.is_some() => {
                HubError::NoFile { repository, file: asked.file.unwrap_or_default().to_string(), host }
            }
            (404, _) | (_, "RepoNotFound") => HubError::NoModel { repository, host },
            (401, _) if asked.with_token => HubError::BadToken { host },
            (401, _) => HubError::NoModel { repository, host },
            (403, _) => HubError::Forbidden { repository, host, message: self.message },
            _ => self.of_any(host),
        }
    }

    /// The sentence for a push.
    pub fn of_push(self, repository: &str, host: &str) -> HubError {
        let (repository, host) = (repository.to_string(), host.to_string());
        match self.status {
            401 => HubError::BadToken { host },
            403 => HubError::NotYours { repository, host, message: self.message },
            404 => HubError::NoOwner { repository, host },
            409 | 412 => HubError::Conflict { repository, host },
            413 => HubError::TooLarge { host },
            _ => self.of_any(host),
        }
    }

    fn of_any(self, host: String) -> HubError {
        match self.status {
            429 => HubError::TooMany { host, seconds: self.seconds },
            status @ 500.. => HubError::Server { host, status },
            status => HubError::Unexpected { host, status, message: self.message },
        }
    }

    fn is_gated(&self) -> bool {
        self.code == "GatedRepo" || self.message.contains("is restricted") || self.message.contains("gated repo")
    }
}

/// The Hub's own words, where it has any, as the end of a sentence.
fn told(message: &str) -> String {
    let message: String = message.trim().trim_end_matches('.').chars().take(200).collect();
    if message.is_empty() { message } else { format!(": {message}") }
}

fn when(seconds: Option<u64>) -> String {
    match seconds {
        Some(seconds @ 0..=120) => format!("in {seconds} seconds"),
        Some(seconds) => format!("in {} minutes", seconds.div_ceil(60)),
        None => "in some minutes".to_string(),
    }
}

fn amount(bytes: u64) -> String {
    match bytes {
        1_000_000_000.. => format!("{:.1} GB", bytes as f64 / 1e9),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn download(status: u16, code: &str, message: &str, with_token: bool, file: Option<&str>) -> HubError {
        let refusal = Refusal { status, code: code.into(), message: message.into(), seconds: None };
        refusal.of_download(Asked { host: "hub.test", repository: "a/b", revision: "v9", file, with_token })
    }

    /// The answers are the Hub's own, as it gave them in 2026.
    #[test]
    fn each_refusal_of_a_download_gets_its_own_sentence() {
        let (repository, host) = (String::from("a/b"), String::from("hub.test"));
        let hidden = "Invalid username or password.";
        let gated = "Access to model a/b is restricted. You must have access to it and be authenticated to access it.";
        let no_model = HubError::NoModel { repository: repository.clone(), host: host.clone() };
        assert_eq!(download(401, "", hidden, false, None), no_model);
        assert_eq!(download(404, "RepoNotFound", "Repository not found", true, None), no_model);
        assert_eq!(download(404, "RepoNotFound", "", true, Some("config.json")), no_model);
        let bad_token = HubError::BadToken { host: host.clone() };
        assert_eq!(download(401, "", "Invalid credentials in Authorization header", true, None), bad_token);
        let is_gated = HubError::Gated { repository: repository.clone(), host: host.clone() };
        assert_eq!(download(401, "GatedRepo", gated, false, Some("config.json")), is_gated);
        assert_eq!(download(403, "GatedRepo", gated, true, Some("config.json")), is_gated);
        assert_eq!(download(401, "", gated, false, Some("config.json")), is_gated, "a mirror that hides the code");
        let revision =
            HubError::NoRevision { repository: repository.clone(), revision: "v9".into(), host: host.clone() };
        assert_eq!(download(404, "RevisionNotFound", "Invalid rev id: v9", false, None), revision);
        let no_file = HubError::NoFile { repository: repository.clone(), file: "x".into(), host: host.clone() };
        assert_eq!(download(404, "EntryNotFound", "Entry not found", false, Some("x")), no_file);
        assert_eq!(download(429, "", "", false, None), HubError::TooMany { host: host.clone(), seconds: None });
        assert_eq!(download(503, "", "", false, None), HubError::Server { host: host.clone(), status: 503 });
        let forbidden = download(403, "", "Your token has no read permission.", true, None);
        assert!(forbidden.to_string().ends_with("fetch a/b: Your token has no read permission."), "{forbidden}");
    }

    #[test]
    fn each_refusal_of_a_push_gets_its_own_sentence() {
        let push = |status| Refusal { status, ..Refusal::default() }.of_push("a/b", "hub.test");
        let (repository, host) = (String::from("a/b"), String::from("hub.test"));
        assert_eq!(push(401), HubError::BadToken { host: host.clone() });
        let message = String::new();
        assert_eq!(push(403), HubError::NotYours { repository: repository.clone(), host: host.clone(), message });
        assert_eq!(push(404), HubError::NoOwner { repository: repository.clone(), host: host.clone() });
        assert_eq!(push(409), HubError::Conflict { repository, host: host.clone() });
        assert_eq!(push(413), HubError::TooLarge { host: host.clone() });
        assert_eq!(push(429), HubError::TooMany { host, seconds: None });
    }

    #[test]
    fn a_wait_is_told_as_people_say_it() {
        for (seconds, words) in [(Some(55), "in 55 seconds"), (Some(290), "in 5 minutes"), (None, "in some minutes")] {
            let sentence = HubError::TooMany { host: "hub.test".into(), seconds }.to_string();
            assert!(sentence.contains(words), "{sentence}");
        }
    }

    #[test]
    fn a_lack_of_room_says_how_much_is_needed_and_free() {
        let sentence =
            HubError::NoRoom { repository: "a/b".into(), needed: 1_400_000_000, free: 52_000_000 }.to_string();
        assert!(sentence.contains("1.4 GB") && sentence.contains("52.0 MB"), "{sentence}");
    }
}
