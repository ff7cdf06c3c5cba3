// widget-panel.js: the second file that the first one asked for in versions that had two. A browser may use one of those for a
// day after the deployment has this one; its next page has the new one.

import { en, type Messages as Words } from '../i18n/en';
import { languageOf } from '../i18n/index';
import { ru } from '../i18n/ru';
import { Messages } from '../messages';
import { Panel, type PanelActions, type PanelOptions } from '../view/panel';
import css from '../view/panel.css';
import { addStyles } from '../view/style';

type Wishes = Omit<PanelOptions, 'language'> & { languages: readonly (string | undefined)[] };

export const version = VERSION;

export function openPanel(frame: HTMLElement, { languages, ...options }: Wishes, actions: PanelActions): Panel {
  addStyles(frame.getRootNode() as ShadowRoot, css);
  const panel = new Panel(frame, { language: languageOf<Words>(languages, { en, ru }), ...options }, actions);
  panel.mount({ version, showMessages: (place) => new Messages(place) });
  return panel;
}
