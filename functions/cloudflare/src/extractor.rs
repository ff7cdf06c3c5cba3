//! Untrusted files are read in a WebAssembly instance of their own: functions/extract, called through entry.js.

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_domain::text::Split;
use frontdesk_extract::{Limits, wire};
use frontdesk_ports::{ExtractFailure, ExtractRequest, Extracted, Extractor, SplitRequest};
use serde::de::DeserializeOwned;
use worker::js_sys::{Function, Reflect, Uint8Array, global};
use worker::wasm_bindgen::{JsCast, JsValue};

/// The function that entry.js leaves for the core.
const READ: &str = "frontdeskRead";

/// A pdf in parts that are each well under the runtime's limits of time and memory (128 MB for everything).
const LIMITS: fn() -> Limits = || Limits { max_bytes: 24 << 20, max_unpacked: 64 << 20, ..Limits::default() };

/// Reads each file in an instance of its own. A parser that dies or wants too much memory takes nothing else with it; one
/// that never ends is ended by the runtime's limit of processor time, and the job's attempts are counted.
pub struct InstanceExtractor;

#[async_trait(?Send)]
impl Extractor for InstanceExtractor {
    fn max_bytes(&self) -> u64 {
        LIMITS().max_bytes
    }

    async fn media_type(&self, bytes: &Bytes) -> Result<String, ExtractFailure> {
        Self::ask(wire::media_type_header(&LIMITS()), bytes)
    }

    async fn extract(&self, request: ExtractRequest) -> Result<Extracted, ExtractFailure> {
        Self::ask(wire::text_header(&request, &LIMITS()), &request.bytes)
    }

    async fn split(&self, request: &SplitRequest) -> Result<Split, ExtractFailure> {
        Self::ask(wire::split_header(request, &LIMITS()), request.text.as_bytes())
    }
}

impl InstanceExtractor {
    fn ask<T: DeserializeOwned>(
        header: serde_json::Result<Vec<u8>>,
        file: &[u8],
    ) -> Result<T, ExtractFailure> {
        let request = wire::request(&header.map_err(|_| ExtractFailure::broken())?, file);
        let read = Reflect::get(&global(), &READ.into()).and_then(JsCast::dyn_into::<Function>);
        let answer = read
            .and_then(|read| read.call1(&JsValue::UNDEFINED, &Uint8Array::from(request.as_slice())))
            .and_then(JsCast::dyn_into::<Uint8Array>);
        match answer {
            Ok(answer) => wire::outcome(&answer.to_vec()).unwrap_or_else(|| Err(ExtractFailure::broken())),
            Err(error) => {
                let text = |name: &str| {
                    Reflect::get(&error, &name.into())
                        .ok()
                        .and_then(|text| text.as_string())
                        .unwrap_or_default()
                };
                // The text is the runtime's ("unreachable", "call stack"): nothing of the file.
                tracing::warn!(error = text("message"), "a file's reader died");
                Err(wire::died(&text("reason")))
            }
        }
    }
}
