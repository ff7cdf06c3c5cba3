//! Uploaded files: where they are read, and the bucket they are kept in.

use frontdesk_clients::s3;
use url::Url;

use super::variable::{NAME_RANGE, Variable, variable};
use super::vars::Vars;

const BUCKET_RANGE: &str = "3 to 255 letters, digits, dots, dashes or underscores";

pub(super) const VARIABLES: &[Variable] = &[
    variable(
        "READER_URL",
        "Where the component that reads uploaded files answers. Used by the Spin component alone; other hosts read files \
         themselves.",
        "`https://` or `http://` address",
        "`http://reader.spin.internal` on Spin",
        false,
    ),
    variable(
        "S3_ENDPOINT",
        "An S3-compatible server for files: AWS, R2, MinIO, …. Without it the local host keeps them in its data directory, and \
         a host that has none in the database, up to 20 MiB each. On Cloudflare they are in its own bucket, whichever is set. A \
         change moves no files.",
        "`https://` or `http://` address without the bucket",
        "none",
        false,
    ),
    variable("S3_BUCKET", "The bucket, which is there already.", BUCKET_RANGE, "none", false),
    variable("S3_REGION", "The bucket's region.", "a name; many servers take any", "`us-east-1`", false),
    variable(
        "S3_ADDRESSING",
        "Where a bucket's name stands in addresses: in the path, or before the host's name.",
        "`path` or `virtual`",
        "`path`",
        false,
    ),
    variable(
        "S3_ACCESS_KEY_ID",
        "The access key, which may read, write, delete and list the bucket's objects.",
        NAME_RANGE,
        "none",
        false,
    ),
    variable("S3_SECRET_ACCESS_KEY", "The access key's secret.", "any", "none", true),
];

/// Where files are read.
pub(super) fn reader(vars: &mut Vars<'_>) -> Option<Url> {
    vars.url("READER_URL", &["https", "http"])
}

/// The bucket.
pub(super) fn s3(vars: &mut Vars<'_>) -> Option<s3::S3Server> {
    const NEEDED: [&str; 4] = ["S3_ENDPOINT", "S3_BUCKET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"];
    let given = NEEDED.map(|name| vars.text(name));
    let id = vars.name("S3_ACCESS_KEY_ID");
    let region = vars.text("S3_REGION");
    let addressing = vars.text("S3_ADDRESSING");
    if given.iter().chain([&region, &addressing]).all(Option::is_none) {
        return None;
    }
    for (name, _) in NEEDED.into_iter().zip(&given).filter(|(_, given)| given.is_none()) {
        vars.problem(name, format!("is missing; set {} or nothing of S3", NEEDED.join(", ")));
    }
    let addressing = match addressing.as_deref() {
        None | Some("path") => s3::Addressing::Path,
        Some("virtual") => s3::Addressing::Virtual,
        Some(_) => {
            vars.problem("S3_ADDRESSING", "must be path or virtual");
            s3::Addressing::Path
        }
    };
    let [Some(endpoint), Some(bucket), Some(_), Some(secret)] = given else { return None };
    let key = s3::AccessKey { id: id?, secret: secret.into() };
    let region = region.as_deref().unwrap_or("us-east-1");
    let wrong = match s3::S3Server::new(&endpoint, addressing, &bucket, region, key) {
        Ok(server) => return Some(server),
        Err(wrong) => wrong,
    };
    for wrong in wrong {
        let variable = match wrong {
            s3::S3ServerError::Endpoint(_) => "S3_ENDPOINT",
            s3::S3ServerError::Bucket(_) => "S3_BUCKET",
            s3::S3ServerError::Region(_) => "S3_REGION",
        };
        vars.problem(variable, wrong.to_string());
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{problems, read as configured};

    #[test]
    fn a_bucket_is_configured_whole_or_not_at_all() {
        let all = [
            ("S3_ENDPOINT", "https://s3.example"),
            ("S3_BUCKET", "desk"),
            ("S3_ACCESS_KEY_ID", "id"),
            ("S3_SECRET_ACCESS_KEY", "SENTINEL"),
        ];
        let config = configured(&all).unwrap();
        assert!(config.s3.is_some() && configured(&[]).unwrap().s3.is_none());
        assert!(!format!("{config:?}").contains("SENTINEL"));
        for (missing, (name, _)) in all.iter().enumerate() {
            let mut some = all.to_vec();
            some.remove(missing);
            assert_eq!(problems(&some), [*name]);
        }
        assert_eq!(problems(&[("S3_REGION", "auto")]), all.map(|(name, _)| name));
        for (name, wrong) in [
            ("S3_ENDPOINT", "s3.example"),
            ("S3_BUCKET", "a/b"),
            ("S3_REGION", "a/b"),
            ("S3_ADDRESSING", "host"),
        ] {
            let mut vars = vec![(name, wrong)];
            vars.extend(all);
            assert_eq!(problems(&vars), [name]);
        }
    }
}
