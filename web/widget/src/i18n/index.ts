// Which language, and how its words are filled in.

import { en, type Forms, type Messages } from './en';
import { ru } from './ru';

const LANGUAGES: Record<string, Messages> = { en, ru };

export interface Language {
  /** BCP 47, also for Intl: dates and plurals. */
  locale: string;
  messages: Messages;
  fill(text: string, values: Record<string, string | number>): string;
  plural(forms: Forms, n: number): string;
}

/** The first of the wishes that the widget speaks, else English. A wish is a BCP 47 tag; its region is kept. */
export function languageOf(wishes: readonly (string | null | undefined)[]): Language {
  let locale = 'en';
  for (const wish of wishes) {
    const base = wish?.toLowerCase().split(/[-_]/)[0] ?? '';
    if (!Object.prototype.hasOwnProperty.call(LANGUAGES, base)) continue;
    locale = base;
    try {
      locale = Intl.getCanonicalLocales(wish?.replace('_', '-') ?? base)[0] ?? base;
    } catch {
      // Not a tag Intl knows; the language alone will do.
    }
    break;
  }
  const messages = LANGUAGES[locale.split('-')[0] ?? 'en'] ?? en;
  const rules = new Intl.PluralRules(locale);
  const fill = (text: string, values: Record<string, string | number>) =>
    text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
  return {
    locale,
    messages,
    fill,
    plural: (forms, n) => fill(forms[rules.select(n)] ?? forms.other, { n }),
  };
}
