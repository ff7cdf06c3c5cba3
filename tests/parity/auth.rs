//! Logging in, staying logged in, logging out.

use anyhow::{Context, Result, ensure};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::case::{Answer, Case, get};

const AUTH: &str = "/api/v1/auth";

/// The cookie that an answer sets: `fd_refresh=…`.
fn cookie(answer: &Answer) -> Result<String> {
    let cookie = answer.headers.get("set-cookie").context("a cookie")?.to_str()?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

/// A call that a page of this deployment makes with this cookie.
fn with_cookie(case: &Case, call: &str, cookie: &str) -> RequestBuilder {
    let request = case.public(Method::POST, &format!("{AUTH}/{call}"));
    request.header("origin", &case.host.base_url).header("cookie", cookie)
}

fn login(case: &Case) -> RequestBuilder {
    let body = json!({ "email": case.host.admin_email, "password": case.host.admin_password });
    case.public(Method::POST, &format!("{AUTH}/login")).json(&body)
}

#[tokio::test]
async fn a_refresh_token_is_used_once() -> Result<()> {
    let mut case = Case::begin().await?;
    case.title("Logs in");
    let first = case.send(login(&case), 200).await?;
    let operator = case.with_token(&first.text("/access_token")?, "operator");
    case.send(get(&operator, "/api/v1/me"), 200).await?;
    case.title("Stays logged in: a new token for the old one");
    let first = cookie(&first)?;
    let second = case.send(with_cookie(&case, "refresh", &first), 200).await?;
    let second = cookie(&second)?;
    ensure!(first != second);
    case.title("The answer was lost, or another tab asks at the same moment: the same new token");
    let again = case.send(with_cookie(&case, "refresh", &first), 200).await?;
    ensure!(cookie(&again)? == second);
    case.title("And again");
    let third = cookie(&case.send(with_cookie(&case, "refresh", &second), 200).await?)?;
    case.title("An old one is shown again: somebody has a copy, and the login ends");
    case.send(with_cookie(&case, "refresh", &first), 401).await?;
    case.send(with_cookie(&case, "refresh", &third), 401).await?;
    case.end("auth_refresh")
}

#[tokio::test]
async fn who_logs_out_is_out() -> Result<()> {
    let mut case = Case::begin().await?;
    case.title("In");
    let cookie = cookie(&case.send(login(&case), 200).await?)?;
    case.title("Another site's page cannot use the cookie");
    for call in ["refresh", "logout"] {
        let request = case.public(Method::POST, &format!("{AUTH}/{call}")).header("cookie", &cookie);
        case.send(request.header("origin", "https://evil.example"), 403).await?;
    }
    case.title("Nor can a page that does not say where it is from");
    case.send(case.public(Method::POST, &format!("{AUTH}/refresh")).header("cookie", &cookie), 403).await?;
    case.title("Out");
    case.send(with_cookie(&case, "logout", &cookie), 204).await?;
    case.send(with_cookie(&case, "refresh", &cookie), 401).await?;
    case.title("Out again");
    case.send(with_cookie(&case, "logout", &cookie), 204).await?;
    case.title("A token that nobody issued");
    case.send(with_cookie(&case, "refresh", "fd_refresh=nonsense"), 401).await?;
    case.end("auth_logout")
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_the_same_answer() -> Result<()> {
    let mut case = Case::begin().await?;
    let email = case.host.admin_email.clone();
    for (title, body, status) in [
        ("A wrong password", json!({ "email": email, "password": "wrong password" }), 401),
        (
            "An unknown address",
            json!({ "email": "nobody@camomile.example", "password": "wrong password" }),
            401,
        ),
        ("No address", json!({ "email": "nonsense", "password": "wrong password" }), 401),
        ("No password", json!({ "email": email }), 422),
        ("A field that there is not", json!({ "email": email, "password": "x", "colour": 1 }), 422),
    ] {
        case.title(title);
        case.send(case.public(Method::POST, &format!("{AUTH}/login")).json(&body), status).await?;
    }
    case.title("Who am I");
    case.send(case.public(Method::GET, "/api/v1/me"), 401).await?;
    let visitor = case.visitor("visitor").await?;
    case.send(get(&visitor, "/api/v1/me"), 401).await?;
    let stranger = case.with_token("eyJhbGciOiJub25lIn0.e30.", "a token that is signed by nobody");
    case.send(get(&stranger, "/api/v1/me"), 401).await?;
    case.end("auth_refused")
}
