// Every word of the panel. Another language is a copy of this file and of entry/en.ts, and a few words in launcher.ts.

import type { Outcome } from '../wire';
import type { Notice } from '../conversation';
import type { Forms, Language } from './index';

export type State = 'online' | 'operator' | 'busy' | 'connecting' | 'offline' | 'closed' | 'gone';

export interface Messages {
  close: string;
  assistant: string;
  you: string;
  colleague: string;
  /** Said in the header; the others in the banner. */
  states: Record<'online' | 'operator' | 'busy' | 'connecting', string>;
  /** What a state means for what the visitor writes. */
  banners: Record<'offline' | 'closed' | 'gone', string>;
  greeting: string;
  welcome: string;
  suggestions: string;
  conversation: string;
  placeholder: string;
  placeholderClosed: string;
  send: string;
  disclaimer: string;
  /** {n} characters left */
  left: Forms;
  /** {n} characters too many */
  over: Forms;
  thinking: string;
  typing: string;
  loading: string;
  newMessages: string;
  earlier: string;
  sources: string;
  source: string;
  /** {n} {title} */
  openSource: string;
  openDocument: string;
  closeSource: string;
  /** {version} */
  version: string;
  queued: string;
  sending: string;
  /** {n} seconds */
  waitRate: Forms;
  waitBusy: Forms;
  waitNetwork: string;
  rejectedLong: string;
  rejected: string;
  edit: string;
  remove: string;
  retry: string;
  outboxFull: string;
  incomplete: string;
  outcomes: Partial<Record<Outcome, string>>;
  notices: Record<Notice, string>;
}

export type PanelLanguage = Language<Messages>;

export const en: Messages = {
  close: 'Close chat',
  assistant: 'Assistant',
  you: 'You',
  colleague: 'Colleague',
  states: {
    online: 'Online, replies in seconds',
    operator: 'A colleague is here',
    busy: 'Answers may take longer',
    connecting: 'Connecting…',
  },
  banners: {
    offline: 'You are offline. Messages are kept and go out when the connection is back.',
    closed: 'We are doing maintenance. Your messages are kept and go out as soon as we are back.',
    gone: 'This chat is no longer available here.',
  },
  greeting: 'Hello! How can we help?',
  welcome: 'Ask anything. Answers come with their source.',
  suggestions: 'Suggested questions',
  conversation: 'Conversation',
  placeholder: 'Ask a question…',
  placeholderClosed: 'Start a new conversation…',
  send: 'Send',
  disclaimer: 'AI can be wrong. Check the sources.',
  left: { one: '{n} character left', other: '{n} characters left' },
  over: { one: '{n} character too many', other: '{n} characters too many' },
  thinking: 'The assistant is writing',
  typing: 'Typing',
  loading: 'Loading the conversation',
  newMessages: 'New messages',
  earlier: 'Earlier conversation',
  sources: 'Sources',
  source: 'Source',
  openSource: 'Source {n}: {title}',
  openDocument: 'Open document',
  closeSource: 'Close source',
  version: 'Version {version}',
  queued: 'Waiting to be sent',
  sending: 'Sending…',
  waitRate: { one: 'That was a lot of messages. Trying again in {n} second', other: 'That was a lot of messages. Trying again in {n} seconds' },
  waitBusy: { one: 'We are a little busy. Trying again in {n} second', other: 'We are a little busy. Trying again in {n} seconds' },
  waitNetwork: 'Not sent yet. It goes out when the connection is back',
  rejectedLong: 'Message too long',
  rejected: 'Message not accepted',
  edit: 'Edit',
  remove: 'Remove',
  retry: 'Try again',
  outboxFull: 'Too many messages are waiting. Please wait for the connection.',
  incomplete: 'This answer is incomplete',
  outcomes: {
    quoted: 'From the documents',
    no_answer: 'Not found in the documents',
    handed_off: 'Passed on to a colleague',
    cancelled: 'The answer was stopped',
    failed: 'The answer did not come through.',
  },
  notices: {
    operator: 'A colleague has joined the conversation',
    ai: 'The assistant is answering again',
    closed: 'This conversation is closed',
  },
};
