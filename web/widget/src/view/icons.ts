// 24×24 line icons: one path each.

export const chat = 'M21 11.5a8.4 8.4 0 0 1-8.5 8.4 8.9 8.9 0 0 1-3.8-.85L3.5 20.5l1.4-4.6A8.2 8.2 0 0 1 4 11.5 8.4 8.4 0 0 1 12.5 3.1 8.4 8.4 0 0 1 21 11.5ZM8.7 11.6h.01M12.5 11.6h.01M16.3 11.6h.01';
export const down = 'm6 9.5 6 6 6-6';
export const close = 'M6.5 6.5l11 11M17.5 6.5l-11 11';
export const send = 'M12 19.5V5M5.5 11.2 12 4.7l6.5 6.5';
export const spark = 'M12 3.5l1.9 5.1a2.6 2.6 0 0 0 1.5 1.5L20.5 12l-5.1 1.9a2.6 2.6 0 0 0-1.5 1.5L12 20.5l-1.9-5.1a2.6 2.6 0 0 0-1.5-1.5L3.5 12l5.1-1.9a2.6 2.6 0 0 0 1.5-1.5Z';
export const person = 'M12 11.5a3.8 3.8 0 1 0 0-7.6 3.8 3.8 0 0 0 0 7.6ZM4.8 20a7.2 7.2 0 0 1 14.4 0';
export const document = 'M13.5 3.5H7A1.5 1.5 0 0 0 5.5 5v14A1.5 1.5 0 0 0 7 20.5h10a1.5 1.5 0 0 0 1.5-1.5V8.5ZM13.5 3.5v5h5M9 13h6M9 16.5h4';
export const retry = 'M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6';
export const out = 'M9 6.5H6.5A1.5 1.5 0 0 0 5 8v9.5A1.5 1.5 0 0 0 6.5 19H16a1.5 1.5 0 0 0 1.5-1.5V15M13 5h6v6M18.5 5.5l-8 8';
export const arrow = 'M5 12h13.5M13 6.5l5.5 5.5-5.5 5.5';
