// Which server the suites drive: a ready file (FRONTDESK_READY), an address (FRONTDESK_BASE_URL), or, with
// FRONTDESK_STAND_IN=1, the widget's own stand-in.

import { readFile } from 'node:fs/promises';

export const questions = JSON.parse(await readFile(new URL('./questions.json', import.meta.url), 'utf8'));

/** `{baseUrl, sockets, stop}`; `sockets` is false where there are none, `stop` ends only what this started. */
export async function openTarget() {
  const { FRONTDESK_READY: ready, FRONTDESK_BASE_URL: address, FRONTDESK_STAND_IN: standIn } = process.env;
  if (ready) {
    const told = JSON.parse(await readFile(ready, 'utf8'));
    return { baseUrl: told.base_url.replace(/\/$/, ''), sockets: told.sockets, admin: { email: told.admin_email, password: told.admin_password }, stop: async () => {} };
  }
  if (address) return { baseUrl: address.replace(/\/$/, ''), stop: async () => {} };
  if (standIn) {
    const { createStandIn } = await import('../../web/dev/stand-in.mjs');
    const server = createStandIn({ pace: 25 });
    await server.listen();
    return { baseUrl: server.url, server, stop: () => server.stop() };
  }
  throw new Error('Set FRONTDESK_READY to a ready file, FRONTDESK_BASE_URL to an address, or FRONTDESK_STAND_IN=1');
}
