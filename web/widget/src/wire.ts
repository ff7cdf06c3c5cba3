// What travels between the widget and the server: the shapes of the public HTTP API that the widget uses.
// Every field that comes from the server is treated as data, never as markup.

export type AuthorKind = 'visitor' | 'ai' | 'operator' | 'system';
export type Mode = 'ai' | 'operator' | 'closed';
export type Outcome = 'answered' | 'quoted' | 'no_answer' | 'handed_off' | 'cancelled' | 'failed';
export type Scheme = 'auto' | 'light' | 'dark';

export interface Citation {
  n: number;
  document_id: string;
  title: string;
  version?: number | string;
  passage_id?: string;
  start?: number;
  end?: number;
  quote: string;
  url?: string | null;
}

export interface Message {
  id: string;
  client_id?: string | null;
  author: { kind: AuthorKind; id?: string | null; name?: string | null };
  text: string;
  citations?: Citation[] | null;
  incomplete?: boolean | null;
  note?: boolean | null;
}

interface Stored {
  /** Dense from 1 in each conversation. */
  seq: number;
  /** RFC 3339 UTC. */
  at?: string;
  epoch?: number;
}

export type StoredEvent = Stored &
  (
    | { kind: 'message.created'; message: Message }
    | { kind: 'turn.started'; turn: string }
    | {
        kind: 'turn.finished';
        turn: string;
        outcome: Outcome;
        message_id?: string | null;
        citations?: Citation[] | null;
        /** What could be asked instead, where there was no answer. */
        suggestions?: string[] | null;
      }
    | { kind: 'mode.changed'; mode?: Mode }
    | { kind: 'status.changed'; status?: string }
    | { kind: 'assigned' | 'labelled' | 'snoozed' | 'rated' | 'read' }
  );

/** Events that are not stored have no `seq` and are never replayed. */
export type PassingEvent =
  | { kind: 'turn.delta'; turn: string; /** UTF-8 bytes of the answer so far. */ offset: number; text: string }
  | { kind: 'typing'; on: boolean; by: { kind: AuthorKind; name?: string | null } }
  | { kind: 'presence' }
  | { kind: 'end' };

export type ServerEvent = StoredEvent | PassingEvent;

/** What comes over a socket. */
export type ServerFrame =
  | { t: 'welcome'; last_seq: number; epoch: number }
  | ({ t: 'event' } & ServerEvent)
  | { t: 'ack'; client_id: string; seq: number }
  | { t: 'gap'; from: number; to: number }
  | { t: 'pong' }
  | { t: 'error'; client_id?: string; status: number; detail: string; type?: string; retry_after?: number };

export interface Conversation {
  id: string;
  mode?: Mode;
  status?: string;
  epoch?: number;
  last_seq?: number;
}

export interface Site {
  name: string;
  theme?: { accent?: string; position?: 'left' | 'right'; scheme?: Scheme } | null;
  greeting?: string | null;
  locale?: string | null;
  limits?: { max_message_chars?: number } | null;
}

export interface SessionAnswer {
  visitor_token: string;
  visitor: unknown;
  site: Site;
  conversation: Conversation | null;
}

export interface Replay {
  events: StoredEvent[];
  last_seq: number;
}

export interface Posted {
  message: { id: string; seq: number };
  deduplicated: boolean;
}
