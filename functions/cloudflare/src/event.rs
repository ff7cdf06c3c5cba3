//! Work that stays with the event it belongs to.
//!
//! What the runtime is asked for while an event's code runs (a call, a timer) belongs to that event and ends with it: a model's
//! answer is cut off when the socket goes whose frame happened to ask for it. Futures know nothing of events, and the event
//! that wakes one runs it as its own. A promise does know: whichever event settles it, what waits for it goes on in the event
//! that made it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use worker::js_sys::{Function, Promise};
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen_futures::JsFuture;

thread_local! {
    /// What settles the promises that are waited for, by bell. A waker may be sent to other threads, a function not.
    static BELLS: RefCell<HashMap<u64, Function>> = RefCell::default();
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// Settles its promise when it is rung.
struct Bell(u64);

impl Bell {
    fn new() -> (Arc<Self>, Promise) {
        let number = NEXT.replace(NEXT.get().wrapping_add(1));
        let promise = Promise::new(&mut |settle, _| {
            BELLS.with_borrow_mut(|bells| bells.insert(number, settle));
        });
        (Arc::new(Self(number)), promise)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if let Some(settle) = BELLS.with_borrow_mut(|bells| bells.remove(&self.0)) {
            // Nothing of ours runs in there: what waits goes on later.
            let _ = settle.call0(&JsValue::UNDEFINED);
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        BELLS.with_borrow_mut(|bells| bells.remove(&self.0));
    }
}

/// Runs `work` in the event that awaits this, whichever event wakes it.
pub async fn in_this_event<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        let (bell, rung) = Bell::new();
        let waker = Waker::from(bell);
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        drop(waker);
        // It is never refused.
        let _ = JsFuture::from(rung).await;
    }
}
