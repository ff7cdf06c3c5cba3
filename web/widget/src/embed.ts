// `window.Frontdesk`: the widgets of a page, one for each site key, and what the page can do with them.

import type { Scheme } from './wire';
import { Widget, type Settings } from './widget';

type Method = Exclude<keyof FrontdeskApi, 'push'>;
/** A call by name, or a function that gets the API. */
export type Call = readonly [Method, ...unknown[]] | ((api: FrontdeskApi) => void);

/** A site key names one of several widgets; without it `open` and `ask` mean the first one, the others all of them. */
export interface FrontdeskApi {
  open(siteKey?: string): void;
  close(siteKey?: string): void;
  /** Opens the panel and sends this question. */
  ask(text: string, siteKey?: string): void;
  setTheme(scheme: Scheme, siteKey?: string): void;
  /** Takes the widget away; the conversation stays the visitor's. */
  destroy(siteKey?: string): void;
  /** Puts a widget on the page: of a script tag, of settings named as its `data-` attributes are, or the last one again. */
  boot(what?: HTMLScriptElement | Settings): void;
  /** What was called before the script came is done, later calls at once. */
  push(...calls: Call[]): void;
}

/** Milliseconds in which a page that has no tag may say what it wants. */
const PATIENCE = 1000;

/** `server` is where the API is, unless settings say otherwise. */
export function createApi(server: string): FrontdeskApi {
  let widgets: Widget[] = [];
  let told = false;
  let last: [Settings, HTMLScriptElement | null] | null = null;
  const named = (siteKey?: string) => widgets.filter((widget) => !siteKey || widget.siteKey === siteKey);

  /** Launchers stand beside each other, and one panel is open at a time. */
  const arrange = (opened?: Widget) => {
    const places = { left: 0, right: 0 };
    for (const widget of widgets) {
      if (opened && widget !== opened) widget.setOpen(false);
      if (widget.visible) widget.place(places[widget.side]++);
    }
  };

  const start = (settings: Settings, script: HTMLScriptElement | null) => {
    if (!settings.siteKey) {
      if (!widgets.length) console.error('Frontdesk: the script tag has no data-site-key');
      told = true;
      return;
    }
    last = [settings, script];
    if (named(settings.siteKey).length) return;
    const widget: Widget = new Widget(settings, script, {
      arrange: (opened) => arrange(opened ? widget : undefined),
      removed: () => api.destroy(widget.siteKey),
    });
    widgets.push(widget);
    widget.start();
  };

  const api: FrontdeskApi = {
    open: (siteKey) => named(siteKey)[0]?.setOpen(true),
    close: (siteKey) => named(siteKey).forEach((widget) => widget.setOpen(false)),
    ask: (text, siteKey) => named(siteKey)[0]?.ask(text),
    setTheme: (scheme, siteKey) => named(siteKey).forEach((widget) => widget.setTheme(scheme)),
    destroy: (siteKey) => {
      const gone = named(siteKey);
      widgets = widgets.filter((widget) => !gone.includes(widget));
      for (const widget of gone) widget.destroy();
      arrange();
    },
    boot: (what) => {
      // Nothing is inherited: a page may have put names of ours on every object.
      const own: Settings = Object.assign(Object.create(null), { server });
      if (what instanceof HTMLScriptElement) start(Object.assign(own, { server: new URL(what.src, location.href).origin }, what.dataset), what);
      else if (what) start(Object.assign(own, what), null);
      else if (last) start(...last);
    },
    push: (...calls) => {
      for (const call of calls) {
        try {
          if (typeof call === 'function') call(api);
          else (api[call[0]] as (...args: unknown[]) => void)(...call.slice(1));
        } catch (cause) {
          console.error('Frontdesk: a call failed', cause);
        }
      }
    },
  };
  setTimeout(() => last || told || console.error('Frontdesk: its script cannot find its tag here; Frontdesk.boot({ siteKey: "pk_…" }) shows the widget'), PATIENCE);
  return api;
}
