// The demo shop in two languages. Runs in <head>, before anything is shown: the language and the theme stand first.

import { ru } from './ru';

const asked = new URLSearchParams(location.search).get('lang');
const wishes = asked ? [asked] : navigator.languages;
const russian = wishes.find((wish) => /^(ru|en)/i.test(wish))?.toLowerCase().startsWith('ru') ?? false;
const root = document.documentElement;
root.lang = russian ? 'ru' : 'en';

const THEME = 'camomile.theme';
const stored = (): string | null => {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null;
  }
};
const theme = stored();
if (theme) root.dataset['theme'] = theme;

function translate(): void {
  for (const node of document.querySelectorAll<HTMLElement>('[data-t]')) {
    const text = ru[node.dataset['t'] ?? ''];
    if (text) node.textContent = text;
  }
  for (const node of document.querySelectorAll<HTMLElement>('[data-t-label]')) {
    const text = ru[node.dataset['tLabel'] ?? ''];
    if (text) node.setAttribute('aria-label', text);
  }
  document.title = ru['title'] ?? document.title;
}

function isDark(): boolean {
  const chosen = root.dataset['theme'];
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

document.addEventListener('DOMContentLoaded', () => {
  if (russian) translate();
  document.querySelector(`nav a[hreflang="${root.lang}"]`)?.setAttribute('aria-current', 'true');
  document.querySelector('[data-ask]')?.addEventListener('click', () => window.Frontdesk?.open());
  document.querySelector('.theme')?.addEventListener('click', () => {
    const next = isDark() ? 'light' : 'dark';
    root.dataset['theme'] = next;
    window.Frontdesk?.setTheme(next);
    try {
      localStorage.setItem(THEME, next);
    } catch {
      // The choice lasts as long as the page.
    }
  });
});

// The widget comes later and starts with what the visitor's system prefers.
window.addEventListener('load', () => {
  const chosen = root.dataset['theme'];
  if (chosen === 'light' || chosen === 'dark') window.Frontdesk?.setTheme(chosen);
});
