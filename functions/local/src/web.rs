//! The static files: widget and demo page. Compressed copies made by the build are served to clients that accept them.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use tower::ServiceExt;
use tower_http::services::ServeDir;

type FileBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// What pages may load: themselves and nothing else.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// What the pages need of a browser beside a screen and a keyboard: nothing.
const PERMISSIONS: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

/// The static files of this host.
pub struct Web {
    root: Option<PathBuf>,
    site_key: String,
}

impl Web {
    /// Files under `root`; the demo page gets `site_key`. Without a root there are none.
    #[must_use]
    pub fn new(root: Option<&Path>, site_key: &str) -> Self {
        Self { root: root.map(Path::to_path_buf), site_key: site_key.to_owned() }
    }

    /// The file of a GET or HEAD request; `None` when there is none.
    pub async fn serve(&self, request: Request<()>) -> Option<Response<FileBody>> {
        let root = self.root.as_ref()?;
        let path = request.uri().path().to_owned();
        if matches!(path.as_str(), "/" | "/demo") {
            return Some(redirect(request.uri().query()));
        }
        if !can_be_a_file(&path) {
            return None;
        }
        let head = request.method() == http::Method::HEAD;
        let mut response = if path == "/demo/" {
            self.demo_page(root, head).await?
        } else {
            let files = ServeDir::new(root)
                .append_index_html_on_directories(false)
                .precompressed_br()
                .precompressed_gzip();
            let request = request.map(|()| Full::<Bytes>::default());
            let response = files.oneshot(request).await.ok()?;
            if response.status() == StatusCode::NOT_FOUND {
                return None;
            }
            response.map(|body| body.boxed_unsync())
        };
        let fixed: [(HeaderName, &str); 6] = [
            (
                header::CACHE_CONTROL,
                if path == "/demo/" {
                    "no-cache"
                } else {
                    "public, max-age=300, stale-while-revalidate=86400"
                },
            ),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (HeaderName::from_static("permissions-policy"), PERMISSIONS),
            (header::VARY, "Accept-Encoding"),
        ];
        for (name, value) in fixed {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        }
        if !path.starts_with("/demo") {
            // The widget is made to be embedded anywhere, also as a module or with `crossorigin`.
            let headers = response.headers_mut();
            headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        utf8(&mut response);
        Some(response)
    }

    async fn demo_page(&self, root: &Path, head: bool) -> Option<Response<FileBody>> {
        let page = tokio::fs::read_to_string(root.join("demo/index.html")).await.ok()?;
        let page = page.replace("__SITE_KEY__", &self.site_key);
        let length = page.len();
        let bytes = if head { Bytes::new() } else { Bytes::from(page) };
        let mut response = Response::new(Full::new(bytes).map_err(|never| match never {}).boxed_unsync());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        Some(response)
    }
}

/// Whether a file can have this name: a system refuses longer ones as it refuses a broken disk.
fn can_be_a_file(path: &str) -> bool {
    const NAME: usize = 255;
    const PATH: usize = 1024;
    // Three characters of the address are one byte where it is escaped.
    let bytes = |name: &str| name.len().saturating_sub(name.matches('%').count().saturating_mul(2));
    path.len() <= PATH && path.split('/').all(|name| bytes(name) <= NAME)
}

fn redirect(query: Option<&str>) -> Response<FileBody> {
    let target = query.map_or("/demo/".to_owned(), |query| format!("/demo/?{query}"));
    let mut response = Response::new(Full::default().map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    if let Ok(target) = HeaderValue::from_str(&target) {
        response.headers_mut().insert(header::LOCATION, target);
    }
    response
}

/// Every text here is UTF-8.
fn utf8(response: &mut Response<FileBody>) {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if (kind.starts_with("text/") || kind.ends_with("javascript")) && !kind.contains("charset") {
        let kind = format!("{kind}; charset=utf-8");
        if let Ok(kind) = HeaderValue::from_str(&kind) {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
    }
}
