//! Circuit breakers around calls to a service: the rule is [`frontdesk_domain::breaker`], the state is the host's.

use frontdesk_ports::{Ctx, Permit};

/// One call that the breaker let through. Dropped without a verdict (its caller left) it counts as neither.
pub struct Guarded {
    ctx: Ctx,
    service: &'static str,
    permit: Permit,
    caller: Option<u64>,
}

/// Asks for one call to `service` under `address`; `None` when the circuit is open: the call fails at once.
#[must_use]
pub fn enter(ctx: &Ctx, service: &'static str, address: &str) -> Option<Guarded> {
    let permit = ctx.breakers.enter(service, address, ctx.clock.now());
    report(ctx, service);
    Some(Guarded { ctx: ctx.clone(), service, permit: permit?, caller: None })
}

impl Guarded {
    /// The call is one caller's, whose own words may be what the service fails at.
    #[must_use]
    pub fn on_behalf_of(self, caller: Option<u64>) -> Self {
        Self { caller, ..self }
    }

    /// The service answers. A later failure of the same call still counts.
    pub fn success(&mut self) {
        self.permit.success();
        report(&self.ctx, self.service);
    }

    /// The service failed.
    pub fn failure(&mut self) {
        self.permit.failure(self.ctx.clock.now(), self.caller);
        report(&self.ctx, self.service);
    }
}

fn report(ctx: &Ctx, service: &'static str) {
    let label = [("service", service)];
    ctx.metrics.breaker.get_or_create(&label).set(ctx.breakers.state(service).gauge());
}
