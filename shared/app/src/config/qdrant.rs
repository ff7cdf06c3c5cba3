//! The Qdrant server.

use frontdesk_clients::qdrant;

use super::variable::{Variable, variable};
use super::vars::Vars;

pub(super) const VARIABLES: &[Variable] = &[
    variable(
        "QDRANT_URL",
        "A Qdrant server (1.11 or later) for vectors, used by this Frontdesk alone. Without it they are in the database. \
         After a change vectors are made again in the background, and until then words find what has none; `frontdesk vectors \
         rebuild` does it at once, and for a server that has some of them already.",
        "`https://` or `http://` address of the REST interface",
        "none",
        false,
    ),
    variable("QDRANT_API_KEY", "The key for `QDRANT_URL`.", "any", "none", true),
    variable(
        "QDRANT_VECTORS",
        "What of a passage has a vector in Qdrant: `single`, the whole; `multi`, also each of up to four parts, of which \
         the nearest counts, at up to five times the embeddings and memory. After a change vectors are made again.",
        "`single` or `multi`",
        "`single`",
        false,
    ),
];

pub(super) fn read(vars: &mut Vars<'_>) -> Option<qdrant::QdrantServer> {
    let url = vars.url("QDRANT_URL", &["https", "http"]);
    let key = vars.secret("QDRANT_API_KEY");
    let given = vars.text("QDRANT_URL").is_some();
    if key.is_some() && !given {
        vars.problem("QDRANT_API_KEY", "is set without QDRANT_URL");
    }
    let mode = vars.text("QDRANT_VECTORS");
    if mode.is_some() && !given {
        vars.problem("QDRANT_VECTORS", "is set without QDRANT_URL");
    }
    let mode = match mode.as_deref() {
        None | Some("single") => qdrant::VectorMode::Single,
        Some("multi") => qdrant::VectorMode::Multi,
        Some(_) => {
            vars.problem("QDRANT_VECTORS", "must be single or multi");
            return None;
        }
    };
    Some(qdrant::QdrantServer {
        base_url: url?.as_str().trim_end_matches('/').to_owned(),
        api_key: key,
        mode,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{problems, read as configured};

    #[test]
    fn qdrant_is_configured_by_its_address() {
        assert!(configured(&[]).unwrap().qdrant.is_none());
        let server = configured(&[("QDRANT_URL", "https://q.example:6333/"), ("QDRANT_VECTORS", "multi")])
            .unwrap()
            .qdrant
            .unwrap();
        assert_eq!(
            (server.base_url.as_str(), server.mode),
            ("https://q.example:6333", qdrant::VectorMode::Multi)
        );
        assert_eq!(problems(&[("QDRANT_VECTORS", "multi")]), ["QDRANT_VECTORS"]);
    }
}
