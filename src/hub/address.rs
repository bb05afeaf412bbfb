//! What a user writes for a model -> which repository, which revision, which Hub.
//!
//! Comes in: a name, a name with a revision, or the address of a page. Goes out: a [`ModelAddress`] and the addresses
//! to ask. Never asks anything.

use super::error::HubError;

/// Hugging Face's own: a page there names a model of whichever Hub is set.
const USUAL_HOSTS: [&str; 4] = ["huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co"];
/// What stands between a repository and a revision in the address of a page.
const VIEWS: [&str; 6] = ["tree", "blob", "resolve", "raw", "commit", "commits"];
/// First parts of pages that are not models'.
const OTHERS: [&str; 8] = ["api", "blog", "collections", "datasets", "docs", "models", "papers", "spaces"];

/// One model at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelAddress {
    /// `owner/name`, or `name` for the Hub's oldest models.
    pub repository: String,
    /// A branch, a tag or a commit.
    pub revision: String,
    /// The Hub of a page's address, unless it is Hugging Face's own.
    pub endpoint: Option<String>,
}

impl ModelAddress {
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let text = text.trim();
        let host = text.split_once('/').map_or("", |(host, _)| host);
        let address = match text.split_once("://") {
            Some((scheme, rest)) => Self::of_page(scheme, rest),
            // A page's address as browsers show it.
            None if host.contains('.') && text.matches('/').count() > 1 && !text.contains('@') => {
                Self::of_page("https", text)
            }
            None => Self::of_name(text),
        };
        address.ok_or_else(|| HubError::Address(text.to_string()))
    }

    fn of_name(text: &str) -> Option<Self> {
        let (repository, revision) = text.split_once('@').unwrap_or((text, "main"));
        is_repository(repository, 1).then_some(())?;
        Some(Self { repository: repository.to_string(), revision: checked_revision(revision)?, endpoint: None })
    }

    fn of_page(scheme: &str, rest: &str) -> Option<Self> {
        let rest = rest.split(['?', '#']).next()?;
        let (host, path) = rest.split_once('/')?;
        let endpoint = checked_endpoint(&format!("{scheme}://{host}")).ok()?;
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let view = parts.iter().take(3).skip(1).position(|part| VIEWS.contains(part)).map(|at| at + 1);
        let named = parts.get(..view.unwrap_or(parts.len().min(2)))?;
        let revision = match view.and_then(|view| parts.get(view + 1)) {
            Some(revision) => decoded(revision)?,
            None => "main".to_string(),
        };
        let repository = named.join("/");
        let is_model = is_repository(&repository, 1) && !OTHERS.contains(named.first()?);
        is_model.then_some(())?;
        let endpoint = (!USUAL_HOSTS.contains(&host.to_ascii_lowercase().as_str())).then_some(endpoint);
        Some(Self { repository, revision: checked_revision(&revision)?, endpoint })
    }

    /// Where the model's files are listed.
    pub fn listing_url(&self, endpoint: &str) -> String {
        format!("{endpoint}/api/models/{}/revision/{}?blobs=true", self.repository, encoded(&self.revision))
    }

    /// Where a file is, at the commit that the listing told.
    pub fn file_url(&self, endpoint: &str, commit: &str, file: &str) -> String {
        format!("{endpoint}/{}/resolve/{}/{}", self.repository, encoded(commit), encoded(file))
    }
}

/// A Hub's address without the `/` at its end. Without TLS a token and weights could be read and changed on their way,
/// so that is for servers on the same machine.
pub fn checked_endpoint(text: &str) -> Result<String, HubError> {
    let text = text.trim();
    let wrong = || HubError::Endpoint(text.to_string());
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let rest = rest.trim_end_matches('/');
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        Some(_) => return Err(wrong()),
        None => authority,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-' || byte == b'_';
    let safe = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => ["localhost", "127.0.0.1"].contains(&host),
        _ => false,
    };
    let path = rest.get(authority.len()..).unwrap_or_default();
    let has_plain_path = path.bytes().all(|byte| plain(byte) || byte == b'/' || byte == b'~');
    if !safe || host.is_empty() || !host.bytes().all(plain) || !has_plain_path {
        return Err(wrong());
    }
    Ok(format!("{}://{rest}", scheme.to_ascii_lowercase()))
}

/// The host of a checked endpoint, for sentences.
pub fn host_of(endpoint: &str) -> &str {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// Checks `owner/name`, as a push needs it.
pub fn checked_repository(text: &str) -> Result<&str, HubError> {
    let text = text.trim();
    if is_repository(text, 2) { Ok(text) } else { Err(HubError::Repository(text.to_string())) }
}

/// The Hub's own rules for names.
fn is_repository(text: &str, least_parts: usize) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_name = |part: &&str| {
        (1..=96).contains(&part.len())
            && part.bytes().all(plain)
            && !part.starts_with(['-', '.'])
            && !part.ends_with(['-', '.'])
    };
    (least_parts..=2).contains(&parts.len())
        && parts.iter().all(is_name)
        && !["--", ".."].iter().any(|pair| text.contains(pair))
        && !text.ends_with(".git")
}

fn checked_revision(text: &str) -> Option<String> {
    let text = text.trim();
    let is_one = (1..=256).contains(&text.len()) && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    is_one.then(|| text.to_string())
}

/// Percent-encoded, the `/` too, so that a branch `a/b` stays one part of an address.
fn encoded(text: &str) -> String {
    let mut address = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => address.push(char::from(byte)),
            _ => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        bytes.push(match byte {
            b'%' => u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?,
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, String, Option<String>) {
        let address = ModelAddress::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        (address.repository, address.revision, address.endpoint)
    }

    fn usual(repository: &str, revision: &str) -> (String, String, Option<String>) {
        (repository.into(), revision.into(), None)
    }

    #[test]
    fn a_model_is_named_in_each_way_that_people_copy_it() {
        let base = "MCG-NJU/videomae-base";
        for text in [
            "MCG-NJU/videomae-base",
            "  MCG-NJU/videomae-base\n",
            "https://huggingface.co/MCG-NJU/videomae-base",
            "https://huggingface.co/MCG-NJU/videomae-base/",
            "https://hf.co/MCG-NJU/videomae-base?library=transformers#usage",
            "huggingface.co/MCG-NJU/videomae-base",
            "https://huggingface.co/MCG-NJU/videomae-base/tree/main",
            "https://huggingface.co/MCG-NJU/videomae-base/discussions/3",
        ] {
            assert_eq!(parsed(text), usual(base, "main"), "{text}");
        }
        assert_eq!(parsed("gpt2"), usual("gpt2", "main"));
        assert_eq!(parsed("https://huggingface.co/gpt2"), usual("gpt2", "main"));
        assert_eq!(parsed("https://huggingface.co/gpt2/blob/v1/config.json"), usual("gpt2", "v1"));
    }

    #[test]
    fn a_revision_comes_from_the_name_or_from_the_page() {
        assert_eq!(parsed("a/b@v1.0"), usual("a/b", "v1.0"));
        assert_eq!(parsed("a/b@refs/pr/1"), usual("a/b", "refs/pr/1"));
        assert_eq!(parsed("https://huggingface.co/a/b/tree/refs%2Fpr%2F1"), usual("a/b", "refs/pr/1"));
        assert_eq!(parsed("https://huggingface.co/a/b/resolve/0a1b2c3/model.safetensors"), usual("a/b", "0a1b2c3"));
    }

    #[test]
    fn a_page_of_another_hub_names_that_hub() {
        let elsewhere = Some("https://models.example.org:8443".to_string());
        assert_eq!(parsed("https://models.example.org:8443/a/b").2, elsewhere);
        assert_eq!(parsed("http://localhost:9000/a/b/tree/dev"), {
            ("a/b".into(), "dev".into(), Some("http://localhost:9000".into()))
        });
    }

    #[test]
    fn what_is_no_model_is_told_so() {
        for text in [
            "",
            "   ",
            "a/b@",
            "a/b@two words",
            "a b/c",
            "../b",
            "a/../b",
            "a/b/c",
            "-a/b",
            "a/b.git",
            "a--b/c",
            "ümlaut/b",
            "https://huggingface.co",
            "https://huggingface.co/",
            "https://huggingface.co/datasets/a/b",
            "https://huggingface.co/spaces/a/b",
            "http://huggingface.co/a/b",
            "ftp://huggingface.co/a/b",
            "https://user:secret@huggingface.co/a/b",
            "https://huggingface.co/a/b/tree/%zz",
            "https://huggingface.co/a/b/tree/%f",
        ] {
            let error = ModelAddress::parse(text).expect_err(text);
            assert_eq!(error, HubError::Address(text.trim().to_string()));
        }
    }

    #[test]
    fn an_endpoint_is_secure_or_on_this_machine() {
        let good = |text: &str| checked_endpoint(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(good("https://huggingface.co"), "https://huggingface.co");
        assert_eq!(good(" HTTPS://mirror.example/hub/ "), "https://mirror.example/hub");
        assert_eq!(good("http://localhost:8080"), "http://localhost:8080");
        assert_eq!(good("http://127.0.0.1:8080/"), "http://127.0.0.1:8080");
        for text in [
            "",
            "huggingface.co",
            "http://mirror.example",
            "http://localhost.example",
            "https://",
            "https://user@mirror.example",
            "https://mirror.example:port",
            "https://mirror.example?a",
            "https://mirror.example/#a",
            "file:///etc/passwd",
        ] {
            assert_eq!(checked_endpoint(text), Err(HubError::Endpoint(text.to_string())), "{text}");
        }
        assert_eq!(host_of("https://mirror.example:8443/hub"), "mirror.example:8443");
    }

    #[test]
    fn a_push_needs_an_owner() {
        assert_eq!(checked_repository(" me/my-model_1.0 "), Ok("me/my-model_1.0"));
        for text in ["my-model", "me/", "/model", "me/a/b", "me/my model", "https://huggingface.co/me/model"] {
            assert_eq!(checked_repository(text), Err(HubError::Repository(text.to_string())), "{text}");
        }
    }

    #[test]
    fn addresses_keep_their_parts_apart() {
        let address = ModelAddress { repository: "a/b".into(), revision: "refs/pr/1".into(), endpoint: None };
        assert_eq!(address.listing_url("https://h"), "https://h/api/models/a/b/revision/refs%2Fpr%2F1?blobs=true");
        assert_eq!(address.file_url("https://h", "0a1b", "a b?.json"), "https://h/a/b/resolve/0a1b/a%20b%3F.json");
    }
}
