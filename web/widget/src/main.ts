// <script async src="https://…/widget.js" data-site-key="pk_…"></script>

import { mount, type FrontdeskApi } from './widget';

declare global {
  interface Window {
    Frontdesk?: FrontdeskApi;
  }
}

const script = document.currentScript;
if (script instanceof HTMLScriptElement && !window.Frontdesk) {
  const begin = () => {
    const api = mount(script);
    if (api) window.Frontdesk = api;
  };
  if (document.body) begin();
  else document.addEventListener('DOMContentLoaded', begin);
}
