// <script async src="https://…/widget.js" data-site-key="pk_…"></script>

import { createApi, type FrontdeskApi } from './embed';

declare global {
  interface Window {
    Frontdesk?: FrontdeskApi;
  }
}

const own = document.currentScript as HTMLScriptElement | null;

/** Where this file is from, on a page that has no tag of it. */
const address = /https?:\S+\/widget\.js/.exec(new Error().stack ?? '')?.[0];

/** The first run of this file on a page makes the API, and every run boots its own tag. */
function begin(): void {
  // A module is not told its tag; what has begun does not begin again.
  const tags = own ? [own] : [...document.querySelectorAll<HTMLScriptElement>('script[type=module][src*="/widget.js"]')];
  // A tag that was taken away while this loaded is not wanted any more.
  const wanted = tags.filter((tag) => tag.isConnected);
  const early: unknown = window.Frontdesk;
  const api = window.Frontdesk?.boot ? window.Frontdesk : createApi(new URL(tags[0]?.src ?? address ?? '', location.href).origin);
  window.Frontdesk = api;
  for (const tag of wanted) if (tag.dataset['siteKey']) api.boot(tag);
  if (Array.isArray(early)) api.push(...early);
  for (const tag of wanted) if (!tag.dataset['siteKey']) api.boot(tag);
}

// Not before the body is whole: a page that hydrates expects strange elements only at its end.
if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', begin);
else begin();
