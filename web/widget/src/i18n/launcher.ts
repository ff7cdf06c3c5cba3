// The few words that are said while the panel is closed, in every language.

import type { Forms } from './index';

export interface LauncherWords {
  launcher: string;
  /** {n} */
  unread: Forms;
  close: string;
}

const en: LauncherWords = {
  launcher: 'Open chat',
  unread: { one: '{n} new message', other: '{n} new messages' },
  close: 'Close chat',
};

const ru: LauncherWords = {
  launcher: 'Открыть чат',
  unread: { one: '{n} новое сообщение', few: '{n} новых сообщения', many: '{n} новых сообщений', other: '{n} нового сообщения' },
  close: 'Закрыть чат',
};

export const LAUNCHER_WORDS = { en, ru };
