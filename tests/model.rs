//! The stand-in for a model, wherever it runs, by its controls.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use frontdesk_stand_ins::fake_ai::{Behaviour, Counts};
use reqwest::Client;
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::{http, poll};

/// The controls.
#[derive(Debug, Clone)]
pub struct Model {
    http: Client,
    control: String,
}

impl Model {
    /// The controls of the stand-in with this base URL: what the host has as `OPENAI_BASE_URL`.
    ///
    /// # Errors
    /// When no client can be built.
    pub fn at(base_url: &str) -> Result<Self> {
        let root = base_url.trim_end_matches('/').trim_end_matches("/v1");
        Ok(Self { http: http()?, control: format!("{root}/control") })
    }

    /// One behaviour for each next request that it fits.
    ///
    /// # Errors
    /// When the stand-in does not take it.
    pub async fn script(&self, behaviours: &[Behaviour]) -> Result<()> {
        self.tell("script", &behaviours).await
    }

    /// How requests are treated that the script says nothing about.
    ///
    /// # Errors
    /// When the stand-in does not take it.
    pub async fn behave(&self, behaviour: &Behaviour) -> Result<()> {
        self.tell("behaviour", behaviour).await
    }

    /// Lets one answer go on that is held, or will be.
    ///
    /// # Errors
    /// When the stand-in does not answer.
    pub async fn release(&self) -> Result<()> {
        self.tell("release", &json!({ "answers": 1 })).await
    }

    /// Back to the beginning.
    ///
    /// # Errors
    /// When the stand-in does not answer.
    pub async fn reset(&self) -> Result<()> {
        self.tell("reset", &json!({})).await
    }

    /// Waits until `condition` holds for what is going on.
    ///
    /// # Errors
    /// When it never does.
    pub async fn until(&self, what: &str, condition: impl Fn(&Counts) -> bool) -> Result<()> {
        poll(what, async || {
            let response = self.http.get(format!("{}/counts", self.control)).send().await?;
            let counts: Counts = response.error_for_status()?.json().await?;
            Ok(condition(&counts).then_some(()))
        })
        .await
    }

    /// What was asked, oldest first: `path`, `body` and more.
    ///
    /// # Errors
    /// When the stand-in does not answer.
    pub async fn requests(&self) -> Result<Vec<Value>> {
        let response = self.http.get(format!("{}/requests", self.control)).send().await?;
        let mut told: Value = response.error_for_status()?.json().await?;
        Ok(told["requests"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// The whole answers to the latest chat requests that end with this question, each asked again without a stream.
    ///
    /// # Errors
    /// When the stand-in does not answer.
    pub async fn answers_to(&self, question: &str) -> Result<BTreeSet<String>> {
        let asks = |request: &Value| {
            let said = request["body"]["messages"].as_array().and_then(|messages| messages.last());
            said.is_some_and(|last| last["content"].as_str().is_some_and(|text| text.contains(question)))
        };
        let mut asked = BTreeSet::new();
        for mut request in self.requests().await?.into_iter().filter(asks) {
            let body = request["body"].as_object_mut().context("a body")?;
            body.insert("stream".to_owned(), false.into());
            body.remove("stream_options");
            asked.insert(request["body"].to_string());
        }
        let address = self.control.replace("/control", "/v1/chat/completions");
        let mut answers = BTreeSet::new();
        for body in asked {
            let request = self.http.post(&address).header("content-type", "application/json").body(body);
            let answer: Value = request.send().await?.error_for_status()?.json().await?;
            let text = answer["choices"][0]["message"]["content"].as_str().context("an answer")?;
            answers.insert(text.to_owned());
        }
        Ok(answers)
    }

    async fn tell(&self, control: &str, body: &impl Serialize) -> Result<()> {
        let response = self.http.post(format!("{}/{control}", self.control)).json(body).send().await?;
        response.error_for_status()?;
        Ok(())
    }
}
