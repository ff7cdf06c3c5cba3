//! placeholder
use frontdesk_domain::answer::Usage;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Statement;
/// p
pub fn record_statement(scope: &TenantScope, at: Timestamp, usage: &Usage) -> Statement {
    Statement::new("INSERT INTO usage (org_id, day, model, turns, prompt_tokens, completion_tokens) VALUES (?1, ?2, ?3, 1, ?4, ?5) ON CONFLICT (org_id, day, model) DO UPDATE SET turns = turns + 1, prompt_tokens = prompt_tokens + excluded.prompt_tokens, completion_tokens = completion_tokens + excluded.completion_tokens")
        .bind_id(scope.org()).bind(at.day()).bind(&usage.model).bind(usage.prompt_tokens).bind(usage.completion_tokens)
}
