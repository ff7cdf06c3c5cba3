// The second file, widget-panel.js: what is only needed when a visitor opens the panel.
//
// A browser may have kept the first file of another version, so what they say to each other, `PanelModule` and what it leads to,
// only ever gets additions.

import { en, type Messages } from '../i18n/en';
import { languageOf } from '../i18n/index';
import { ru } from '../i18n/ru';
import { Panel, type PanelActions, type PanelOptions } from './panel';
import css from './panel.css';
import { addStyles } from './style';

/** What of the page is asked for: the languages that are wished, and the word for closing. */
export type Wishes = Omit<PanelOptions, 'language'> & { languages: readonly (string | undefined)[] };

export interface PanelModule {
  version: string;
  openPanel(frame: HTMLElement, wishes: Wishes, actions: PanelActions): Panel;
}

export const version: PanelModule['version'] = VERSION;

export const openPanel: PanelModule['openPanel'] = (frame, { languages, ...options }, actions) => {
  addStyles(frame.getRootNode() as ShadowRoot, css);
  const language = languageOf<Messages>(languages, { en, ru });
  return new Panel(frame, { language, ...options }, actions);
};
